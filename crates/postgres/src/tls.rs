//! TLS as libpq means it: encrypted only, by a known authority, or by the server's own name.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::url::{Fault, InvalidUrl};

/// What is checked of a server's certificate.
#[derive(Clone, Debug)]
pub(crate) enum Verification {
    /// Nothing: safe against who listens, and not against who speaks.
    None,
    /// That a known authority issued it, for whatever name.
    Authority(Roots),
    /// That a known authority issued it for this server.
    Full(Roots),
}

/// The authorities that are known.
#[derive(Clone)]
pub(crate) struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Those of a PEM file, or with `system` those that the system trusts.
    pub(crate) fn load(path: &str) -> Result<Self, InvalidUrl> {
        let fault = |why: String| Fault::Roots {
            path: path.to_owned(),
            why,
        };
        let certificates = if path == "system" {
            rustls_native_certs::load_native_certs().certs
        } else {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            read.map_err(|error| fault(error.to_string()))?
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        if roots.is_empty() {
            return Err(fault("there are none".to_owned()).into());
        }
        Ok(Self(Arc::new(roots)))
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Roots").field(&self.0.len()).finish()
    }
}

/// How connections are encrypted where the server, or its URL, wants it.
pub(crate) fn connector(verification: &Verification) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let config = match verification {
        Verification::Full(Roots(roots)) => builder.with_root_certificates(Arc::clone(roots)),
        Verification::Authority(Roots(roots)) => {
            let roots = Arc::clone(roots);
            let checked = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
            let checked = checked
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
            let lenient = Lenient {
                checked: Some(checked),
                provider,
            };
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(lenient))
        }
        Verification::None => {
            let checked = None;
            let lenient = Lenient { checked, provider };
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(lenient))
        }
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

/// Takes a certificate for any name, and with nothing to check against, any certificate.
#[derive(Debug)]
struct Lenient {
    checked: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(checked) = &self.checked else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            checked.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is checked last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
