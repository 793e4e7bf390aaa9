"""The commands of a flow file and of ``flow-sdk``: one module a command, or a group of them."""
