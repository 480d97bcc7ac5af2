use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use crate::Error;
use crate::error::Context;
use crate::supervisor::Supervisor;

/// A certificate authority made for one server, and what it issued to it.
#[derive(Debug)]
pub(crate) struct Tls {
    /// The authority's certificate, which clients are to trust.
    pub(crate) ca: String,
    pub(crate) cert_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

impl Tls {
    /// Makes both and writes what the server needs into its folder.
    pub(crate) fn issue(supervisor: &Supervisor) -> Result<Self, Error> {
        let issued = issue().context(|| "cannot make a certificate".to_owned())?;
        let tls = Self {
            ca: issued.ca,
            cert_file: supervisor.dir().join("server.crt"),
            key_file: supervisor.dir().join("server.key"),
        };
        supervisor.write(&tls.cert_file, &issued.cert)?;
        supervisor.write(&tls.key_file, &issued.key)?;
        Ok(tls)
    }
}

struct Issued {
    ca: String,
    cert: String,
    key: String,
}

fn issue() -> Result<Issued, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "towerblock testkit");
    let ca_key = KeyPair::generate()?;
    let ca = params.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(params, ca_key);

    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params.subject_alt_names.extend([
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ]);
    params
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    let key = KeyPair::generate()?;
    Ok(Issued {
        ca,
        cert: params.signed_by(&key, &issuer)?.pem(),
        key: key.serialize_pem(),
    })
}
