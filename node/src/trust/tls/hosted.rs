//! What a process shows: one certificate a hosted node, chosen by the name
//! that is dialled, exchanged without a restart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::credentials::Credentials;
use crate::trust::authority::Chain;
use crate::trust::identity::window;
use crate::trust::name::NodeName;

type ByName = BTreeMap<String, Arc<CertifiedKey>>;

/// The nodes one process hosts, by their names in certificates.
///
/// A change holds from the next handshake on.
#[derive(Default)]
pub struct HostedNodes {
    by_name: ArcSwap<ByName>,
}

impl HostedNodes {
    /// Shows these credentials under their own name, in place of any before.
    pub fn install(&self, credentials: &Credentials) {
        let name = credentials.own.name.to_string();
        self.by_name.rcu(|current| {
            let mut next = ByName::clone(current);
            next.insert(name.clone(), Arc::clone(&credentials.certified));
            next
        });
    }

    /// Shows a node no more.
    pub fn remove(&self, name: &NodeName) {
        let name = name.to_string();
        self.by_name.rcu(|current| {
            let mut next = ByName::clone(current);
            next.remove(&name);
            next
        });
    }

    fn get(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.by_name
            .load()
            .get(&name.to_ascii_lowercase())
            .map(Arc::clone)
    }
}

impl fmt::Debug for HostedNodes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.by_name.load().keys())
            .finish()
    }
}

/// Chooses among the hosted nodes.
#[derive(Debug)]
pub(super) struct BySni {
    hosted: Arc<HostedNodes>,
    fallback: Option<String>,
}

impl BySni {
    pub(super) fn new(hosted: Arc<HostedNodes>, fallback: Option<String>) -> Self {
        Self { hosted, fallback }
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello
            .server_name()
            .and_then(|name| self.hosted.get(name))
            .or_else(|| self.hosted.get(self.fallback.as_deref()?))
    }
}

/// What a dialling node presents; exchanged when its certificate is renewed.
pub struct Presented(ArcSwap<CertifiedKey>);

impl Presented {
    /// Presents these credentials.
    pub fn new(credentials: &Credentials) -> Self {
        Self(ArcSwap::new(Arc::clone(&credentials.certified)))
    }

    /// The chain presented now, leaf first.
    pub fn chain(&self) -> Vec<rustls::pki_types::CertificateDer<'static>> {
        self.0.load().cert.clone()
    }

    /// From when to when others take it, Unix milliseconds.
    pub fn valid_ms(&self) -> (i64, i64) {
        // What is presented was proven when it was put here: it reads.
        let (begin, end) = window(&self.0.load().cert).unwrap_or_default();
        (begin.as_millisecond(), end.as_millisecond())
    }

    /// The same as text.
    pub fn chain_pem(&self) -> String {
        Chain::from_der(&self.chain()).to_pem()
    }

    /// Presents others from the next connection on.
    pub fn replace(&self, credentials: &Credentials) {
        self.0.store(Arc::clone(&credentials.certified));
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Presented")
    }
}

impl ResolvesClientCert for Presented {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        schemes
            .contains(&SignatureScheme::ED25519)
            .then(|| self.0.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
