"""A certificate authority, and a server on loopback whose certificate it has signed."""

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["make_certificates"]


def make_certificates(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make an authority of an organisation's own.

    Parameters
    ----------
    folder : Path
        Where the files go.

    Returns
    -------
    tuple of Path and SSLContext
        The authority's certificate, in PEM form, and the context of a server at 127.0.0.1 that it vouches for.
    """
    authority, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the organisation")])
    now = datetime.datetime.now(datetime.UTC)

    def begin(subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(2))

    root = begin(issuer, authority.public_key())
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the server")])
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = begin(name, leaf.public_key()).add_extension(host, critical=False)
    server = server.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    pem = serialization.Encoding.PEM
    path, chain, key = folder / "authority.pem", folder / "server.pem", folder / "server.key"
    path.write_bytes(root.sign(authority, hashes.SHA256()).public_bytes(pem))
    chain.write_bytes(server.sign(authority, hashes.SHA256()).public_bytes(pem))
    key.write_bytes(
        leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return path, context
