//! A certificate authority for one run, and the server certificate that it signs.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The names by which the sandbox is reached.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// How far around now a certificate is valid.
const VALID: SignedDuration = SignedDuration::from_hours(24 * 30);

/// What a server of TLS needs, and the certificate by which clients trust it.
pub(super) struct Tls {
    pub(super) config: Arc<rustls::ServerConfig>,
    pub(super) ca_pem: String,
}

/// TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("a certificate can't be made")]
    Certificate(#[from] rcgen::Error),
    #[error("TLS refuses the certificate")]
    Config(#[from] rustls::Error),
}

impl Tls {
    /// Makes keys and certificates that are valid around `now`, which is the machine's time: clients
    /// judge them by that, whatever the world's clock says.
    pub(super) fn new(now: Timestamp) -> Result<Self, TlsError> {
        let mut ca = validity(CertificateParams::new(Vec::new())?, now);
        ca.distinguished_name.push(DnType::CommonName, "pin53 sandbox CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

        let mut server = validity(CertificateParams::new(HOSTS.map(str::to_owned))?, now);
        server.distinguished_name.push(DnType::CommonName, "pin53 sandbox");
        server.use_authority_key_identifier_extension = true;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &ca)?;

        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), ca_pem: ca.pem() })
    }
}

fn validity(mut params: CertificateParams, now: Timestamp) -> CertificateParams {
    let day = |time: Result<Timestamp, jiff::Error>| {
        let date = time.unwrap_or(now).to_zoned(jiff::tz::TimeZone::UTC).date();
        // Months and days of a date are from 1 to 31.
        let part = |n: i8| u8::try_from(n).unwrap_or(1);
        rcgen::date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()))
    };
    params.not_before = day(now.checked_sub(VALID));
    params.not_after = day(now.checked_add(VALID));
    params
}
