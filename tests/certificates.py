"""Certificates of a private authority, made by openssl for one test."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


@dataclass(frozen=True)
class Authority:
    """A private authority."""

    folder: Path

    @property
    def certificate(self):
        return self.folder / "ca.pem"

    def issue(self, name, *, password=None):
        """Return the files of a certificate and its key for a host or a client."""
        key, request, certificate = (self.folder / f"{name}.{ending}" for ending in ("key", "csr", "pem"))
        protected = ["-passout", f"pass:{password}"] if password else ["-nodes"]
        _openssl("req", "-new", *KEY, *protected, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\n", encoding="utf-8")
        signer = ["-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-CAcreateserial"]
        _openssl("x509", "-req", "-in", request, *signer, "-days", "2", "-out", certificate, "-extfile", extensions)
        return certificate, key

    def server_context(self, name, *, demands_client=False):
        """Return the TLS context of a server with a certificate for this name."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.issue(name))
        if demands_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.certificate)
        return context


def make_authority(folder):
    subject = ["-subj", f"/CN=Private authority {folder.name}"]
    folder.mkdir(exist_ok=True)
    authority = Authority(folder)
    key = ["-nodes", "-keyout", folder / "ca.key"]
    _openssl("req", "-x509", *KEY, *key, "-days", "2", "-out", authority.certificate, *subject)
    return authority


def _openssl(*arguments):
    program = shutil.which("openssl") or pytest.skip("openssl makes the certificates")
    subprocess.run([program, *map(str, arguments)], check=True, capture_output=True)
