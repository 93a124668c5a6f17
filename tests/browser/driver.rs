//! A real browser, driven by the WebDriver protocol: Debian's chromedriver, one process, one window at a time.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use fengqiao_tests::kit::ports::free_port;
use fengqiao_tests::kit::within;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// The name under which the protocol hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The driver; it ends with this.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Child,
    port: u16,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a window looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    /// Width and height.
    pub size: (u32, u32),
    /// Dark.
    pub dark: bool,
    /// Runs scripts at all.
    pub scripts: bool,
}

/// A window, with cookies of its own.
#[derive(Debug)]
pub(crate) struct Window {
    port: u16,
    session: String,
}

impl Driver {
    /// Starts it.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let port = free_port()?;
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .spawn()
            .context("chromedriver does not start: tests/browser/install.sh installs it")?;
        let driver = Self { process, port };
        let ready = within(PATIENCE, async || {
            call(port, "GET", "/status", None).await.ok()
        });
        ready.await.context("chromedriver does not answer")?;
        Ok(driver)
    }

    /// Opens a window.
    pub(crate) async fn open(&self, looks: Looks) -> anyhow::Result<Window> {
        let (width, height) = looks.size;
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--window-size={width},{height}"),
        ];
        let scripts = if looks.scripts { 1 } else { 2 };
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "acceptInsecureCerts": true,
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": { "profile.managed_default_content_settings.javascript": scripts },
            },
        } } });
        let opened = call(self.port, "POST", "/session", Some(wanted)).await?;
        let session = opened["sessionId"]
            .as_str()
            .context("no session")?
            .to_owned();
        let window = Window {
            port: self.port,
            session,
        };
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        window
            .tell("Emulation.setDeviceMetricsOverride", size)
            .await?;
        let scheme = if looks.dark { "dark" } else { "light" };
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        window.tell("Emulation.setEmulatedMedia", scheme).await?;
        Ok(window)
    }
}

impl Window {
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let path = format!("/session/{}{path}", self.session);
        call(self.port, method, &path, body).await
    }

    async fn tell(&self, command: &str, parameters: Value) -> anyhow::Result<()> {
        let body = json!({ "cmd": command, "params": parameters });
        self.ask("POST", "/goog/cdp/execute", Some(body)).await?;
        Ok(())
    }

    /// Goes to a page.
    pub(crate) async fn go(&self, address: &str) -> anyhow::Result<()> {
        self.ask("POST", "/url", Some(json!({ "url": address })))
            .await?;
        Ok(())
    }

    /// Where it is.
    pub(crate) async fn address(&self) -> anyhow::Result<String> {
        let address = self.ask("GET", "/url", None).await?;
        Ok(address.as_str().unwrap_or_default().to_owned())
    }

    async fn element(&self, by: &str, what: &str) -> anyhow::Result<String> {
        let body = json!({ "using": by, "value": what });
        let found = self.ask("POST", "/element", Some(body)).await;
        let found = found.with_context(|| format!("there is no {what}"))?;
        Ok(found[ELEMENT].as_str().context("no element")?.to_owned())
    }

    /// Types into a field.
    pub(crate) async fn write(&self, field: &str, text: &str) -> anyhow::Result<()> {
        let element = self
            .element("css selector", &format!("[name=\"{field}\"]"))
            .await?;
        let path = format!("/element/{element}/value");
        self.ask("POST", &path, Some(json!({ "text": text })))
            .await?;
        Ok(())
    }

    /// Clicks on what sends a form, and waits for the page that comes of it.
    pub(crate) async fn send(&self, selector: &str) -> anyhow::Result<()> {
        let before = self.element("css selector", "html").await?;
        self.click(selector).await?;
        let gone = within(PATIENCE, async || {
            let path = format!("/element/{before}/name");
            self.ask("GET", &path, None).await.err().map(|_| ())
        });
        gone.await.context("no page came of it")?;
        let come = within(PATIENCE, async || {
            self.element("css selector", "#main").await.ok()
        });
        come.await
            .map(|_| ())
            .context("a page without content came")
    }

    /// Clicks on what a selector finds.
    pub(crate) async fn click(&self, selector: &str) -> anyhow::Result<()> {
        let element = self.element("css selector", selector).await?;
        let path = format!("/element/{element}/click");
        self.ask("POST", &path, Some(json!({}))).await?;
        Ok(())
    }

    /// What stands on the page, as a person reads it.
    pub(crate) async fn text(&self) -> anyhow::Result<String> {
        let body = self.element("css selector", "body").await?;
        let text = self
            .ask("GET", &format!("/element/{body}/text"), None)
            .await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// What stands in the first element that a selector finds.
    pub(crate) async fn text_of(&self, selector: &str) -> anyhow::Result<String> {
        let element = self.element("css selector", selector).await?;
        let text = self
            .ask("GET", &format!("/element/{element}/text"), None)
            .await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Takes a picture.
    pub(crate) async fn picture(&self, file: &Path) -> anyhow::Result<()> {
        let picture = self.ask("GET", "/screenshot", None).await?;
        let picture =
            data_encoding::BASE64.decode(picture.as_str().unwrap_or_default().as_bytes())?;
        std::fs::write(file, picture).with_context(|| file.display().to_string())
    }

    /// Closes it.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.ask("DELETE", "", None).await.map(|_| ())
    }
}

/// One call: JSON there, the value of the JSON back.
async fn call(port: u16, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
    let called = tokio::time::timeout(PATIENCE, exchange(port, method, path, body));
    called
        .await
        .with_context(|| format!("{method} {path} takes too long"))?
}

async fn exchange(
    port: u16,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost:{port}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut bytes = Vec::new();
    let (head_bytes, length) = loop {
        let read = stream.read_buf(&mut bytes).await?;
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>())
            });
            break (
                head.len() + 4,
                length.context("an answer without a length")??,
            );
        }
        ensure!(read > 0, "the driver hung up");
    };
    while bytes.len() < head_bytes + length {
        ensure!(stream.read_buf(&mut bytes).await? > 0, "the driver hung up");
    }
    let answer: Value = serde_json::from_slice(&bytes[head_bytes..head_bytes + length])?;
    let value = answer["value"].clone();
    if let Some(error) = value["error"].as_str() {
        bail!(
            "{method} {path}: {error}: {}",
            value["message"].as_str().unwrap_or_default()
        );
    }
    Ok(value)
}
