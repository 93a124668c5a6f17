//! A browser of a test: HTTPS to the pages of one node, trusted by the authority in its data folder, with its cookies. It
//! follows nothing by itself and reads forms as a person would: the hidden fields of a form go along.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What a page answered.
#[derive(Debug, Clone)]
pub struct Page {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

/// One browser.
#[derive(Debug, Clone)]
pub struct Browser {
    port: u16,
    tls: Arc<rustls::ClientConfig>,
    cookies: BTreeMap<String, String>,
    /// Says where a form comes from in `Origin`; another site's name where a test wants one.
    pub origin: Option<String>,
}

impl Browser {
    /// A browser for the pages of a node.
    ///
    /// # Errors
    /// The node has made no authority yet.
    pub fn of(port: u16, data: &Path) -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        let authority = data.join("pages/authority.pem");
        let authority = CertificateDer::from_pem_file(&authority)
            .with_context(|| authority.display().to_string())?;
        roots.add(authority)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            port,
            tls: Arc::new(tls),
            cookies: BTreeMap::new(),
            origin: Some(format!("https://localhost:{port}")),
        })
    }

    /// A cookie it holds.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Holds a cookie.
    pub fn hold(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Asks for a page.
    ///
    /// # Errors
    /// The pages are not reached or do not speak HTTP.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Page> {
        self.ask("GET", path, None).await
    }

    /// Sends a form.
    ///
    /// # Errors
    /// As for [`Browser::get`].
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Page> {
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        self.ask("POST", path, Some(fields.join("&"))).await
    }

    /// Opens the page of a form, fills it and sends it to where it goes.
    ///
    /// # Errors
    /// As for [`Browser::get`], or there is no form that goes to `to`.
    pub async fn fill(
        &mut self,
        page: &str,
        to: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Page> {
        let form = self.get(page).await?;
        let hidden = form
            .hidden(to)
            .with_context(|| format!("{page} has no form to {to}: {form:?}"))?;
        let mut all: Vec<(&str, &str)> = hidden
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        all.extend_from_slice(fields);
        self.post(to, &all).await
    }

    /// Signs in by a link of the command line, with a password of its own.
    ///
    /// # Errors
    /// As for [`Browser::get`].
    pub async fn welcome(&mut self, link: &str, password: &str) -> anyhow::Result<Page> {
        self.get(link).await?;
        self.post(link, &[("password", password), ("again", password)])
            .await
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<String>,
    ) -> anyhow::Result<Page> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::try_from("localhost")?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let mut stream = connector.connect(name, stream).await?;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n",
            self.port
        );
        if !self.cookies.is_empty() {
            let held = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            head += &format!("cookie: {}\r\n", held.collect::<Vec<_>>().join("; "));
        }
        let body = body.unwrap_or_default();
        if method == "POST" {
            head += "content-type: application/x-www-form-urlencoded\r\n";
            head += &format!("content-length: {}\r\n", body.len());
            if let Some(origin) = &self.origin {
                head += &format!("origin: {origin}\r\n");
            }
        }
        head += "\r\n";
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut bytes = Vec::new();
        // A peer that closes without a word of TLS has said all it says over HTTP.
        if let Err(error) = stream.read_to_end(&mut bytes).await
            && error.kind() != std::io::ErrorKind::UnexpectedEof
        {
            bail!(error);
        }
        let page = read(&bytes)?;
        for (_, value) in page.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, rest) = value.split_once('=').unwrap_or((value, ""));
            let value = rest.split(';').next().unwrap_or_default();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.hold(name, value);
            }
        }
        Ok(page)
    }
}

impl Page {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Where it sends the browser.
    #[must_use]
    pub fn leads_to(&self) -> &str {
        self.header("location").unwrap_or_default()
    }

    /// Hidden fields of the form that goes to `to`; `None` where there is no such form.
    #[must_use]
    pub fn hidden(&self, to: &str) -> Option<Vec<(String, String)>> {
        let form = self.body.split("<form").find(|form| {
            let tag = form.split('>').next().unwrap_or_default();
            tag.contains(&format!("action=\"{to}\""))
        })?;
        let form = form.split("</form>").next().unwrap_or_default();
        let inputs = form.split("<input type=\"hidden\"").skip(1);
        let value = |input: &str, name: &str| {
            let from = input.split_once(&format!("{name}=\""))?.1;
            from.split('"').next().map(str::to_owned)
        };
        Some(
            inputs
                .filter_map(|input| Some((value(input, "name")?, value(input, "value")?)))
                .collect(),
        )
    }

    /// The first text between two others.
    #[must_use]
    pub fn between(&self, before: &str, after: &str) -> Option<&str> {
        let from = self.body.split_once(before)?.1;
        from.split_once(after).map(|(found, _)| found)
    }
}

fn read(bytes: &[u8]) -> anyhow::Result<Page> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.and_then(|status| status.parse().ok());
    Ok(Page {
        status: status.context("no HTTP status")?,
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    })
}

/// A text as a part of a form or an address.
#[must_use]
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
        out
    })
}
