//! TLS that checks the authority and the name.

use std::sync::Arc;

use fred::types::config::TlsConnector;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::url::{Fault, InvalidUrl};

/// With the authorities of a PEM file, or else those that the system trusts.
pub(crate) fn connector(path: Option<&str>) -> Result<TlsConnector, InvalidUrl> {
    let roots = roots(path)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Fault::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config.into())
}

fn roots(path: Option<&str>) -> Result<RootCertStore, Fault> {
    let fault = |why: String| Fault::Roots {
        path: path.unwrap_or("the system").to_owned(),
        why,
    };
    let certificates = match path {
        None => rustls_native_certs::load_native_certs().certs,
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| fault(error.to_string()))?,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(fault("there are none".to_owned()));
    }
    Ok(roots)
}
