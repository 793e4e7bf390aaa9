"""The code package: which files belong to a flow, and the archive of them.

``entry`` finds the flow's file, ``user_modules`` the modules it imports, ``code_layout`` the root of the package,
``data_files`` the data files that it reads. ``ignore_rules`` leaves files out, ``archive`` packs and unpacks.
"""
