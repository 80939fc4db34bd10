//! A headless Chromium, driven over its `DevTools` protocol.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::{machine::process, parts};

/// The time that a page has to show a text. A preview's Temporal may have to work for it.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The text of a page, of its drawings and of its loaded frames, once all animations have ended.
const SHOWN: &str = "document.getAnimations().some(one => one.playState === 'running' && one.effect.getTiming().iterations !== Infinity)
    ? '' : [document.body?.innerText, ...[...document.querySelectorAll('svg text')].map(one => one.textContent),
        ...performance.getEntriesByType('resource').filter(one => one.initiatorType === 'iframe' && one.responseEnd)
            .map(one => decodeURIComponent(one.name)), ...[...document.querySelectorAll('iframe')].map(one => one.srcdoc)].join('\\n')";

/// A browser with one page. It ends when this is dropped, and when this process ends.
pub(crate) struct Browser {
    socket: WebSocket<TcpStream>,
    /// The id of the page's session, once there is one.
    session: Option<String>,
    last_id: u64,
    child: Child,
    data: PathBuf,
}

impl Browser {
    pub(crate) fn start(lab: &str, data: PathBuf) -> Result<Self> {
        let program = parts::on_path("chromium").context("looking for chromium")?;
        let log = data.with_extension("log");
        let mut command = process::bound_to_parent(lab, program, &log)?;
        // Chromium's sandbox does not work for root. It loads only the lab's pages.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0"]);
        command.arg(format!("--user-data-dir={}", data.display())).arg("about:blank");
        let mut child = process::spawn_from_lasting_thread(command).context("starting chromium")?;
        let mut address = None;
        process::wait_until("chromium", &mut child, &log, PATIENCE, || {
            address = debugger(&data);
            address.is_some()
        })?;
        let socket = connect(&address.context("looking for chromium's port")?)?;
        let mut browser = Self { socket, session: None, last_id: 0, child, data };
        let page = browser.call("Target.createTarget", &json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        browser.session = browser.call("Target.attachToTarget", &attach)?["sessionId"].as_str().map(str::to_owned);
        browser.call("Page.enable", &json!({}))?;
        Ok(browser)
    }

    pub(crate) fn resize(&mut self, (width, height): (u32, u32)) -> Result<()> {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &metrics).map(drop)
    }

    /// Opens a page, and waits until it shows each of the texts.
    pub(crate) fn open(&mut self, url: &str, shows: &[&str]) -> Result<()> {
        let answer = self.call("Page.navigate", &json!({"url": url}))?;
        if let Some(error) = answer["errorText"].as_str() {
            bail!("opening {url}: {error}");
        }
        self.wait_until_it_shows(shows).with_context(|| format!("looking at {url}"))
    }

    pub(super) fn wait_until_it_shows(&mut self, texts: &[&str]) -> Result<()> {
        let (begun, all) = (Instant::now(), json!(texts));
        loop {
            let shown = self.run(SHOWN)?;
            let text = shown.as_str().unwrap_or_default();
            if texts.iter().all(|wanted| text.contains(wanted)) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("it does not show {all}, but: {text}");
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Runs a script in every page before the page's own scripts.
    pub(super) fn before_every_page(&mut self, script: &str) -> Result<()> {
        self.call("Page.addScriptToEvaluateOnNewDocument", &json!({"source": script})).map(drop)
    }

    /// Evaluates an expression in the page.
    pub(super) fn run(&mut self, expression: &str) -> Result<Value> {
        let arguments = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &arguments)?;
        if !answer["exceptionDetails"].is_null() {
            bail!("in the page, {expression}: {}", answer["exceptionDetails"]);
        }
        Ok(answer["result"]["value"].clone())
    }

    pub(crate) fn save(&mut self, picture: &Path) -> Result<()> {
        let answer = self.call("Page.captureScreenshot", &json!({"format": "png"}))?;
        let data = STANDARD.decode(answer["data"].as_str().unwrap_or_default())?;
        fs::write(picture, data).with_context(|| format!("writing {}", picture.display()))
    }

    fn call(&mut self, method: &str, arguments: &Value) -> Result<Value> {
        self.last_id += 1;
        let mut request = json!({"id": self.last_id, "method": method, "params": arguments});
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(request.to_string())).context("speaking to chromium")?;
        loop {
            let Message::Text(text) = self.socket.read().context("listening to chromium")? else { continue };
            let answer: Value = serde_json::from_str(&text)?;
            // Other messages are events.
            if answer["id"] != self.last_id {
                continue;
            }
            if !answer["error"].is_null() {
                bail!("chromium refused {method}: {}", answer["error"]);
            }
            return Ok(answer["result"].clone());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        process::kill(&mut self.child);
        // A rest is harmless.
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// The address of the debugger, which Chromium writes to its data folder once it listens.
fn debugger(data: &Path) -> Option<String> {
    let text = fs::read_to_string(data.join("DevToolsActivePort")).ok()?;
    let (port, path) = text.split_once('\n')?;
    Some(format!("127.0.0.1:{port}{}", path.trim()))
}

fn connect(address: &str) -> Result<WebSocket<TcpStream>> {
    let stream = TcpStream::connect(address.split('/').next().unwrap_or_default())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (socket, _) =
        tungstenite::client(format!("ws://{address}"), stream).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(socket)
}
