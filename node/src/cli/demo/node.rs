//! One node of the demonstration: a process of this very binary with a data folder of its own, spoken to over the socket
//! in that folder. It is ended with the demonstration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fengqiao_proto::v1 as pb;
use pb::command::Move;
use tokio::process::{Child, ChildStdin, Command};

use super::place::At;
use super::proxy::Proxy;
use super::{Done, failed, until};
use crate::cli::failure::{Call, Failure};
use crate::cli::output::Output;
use crate::cli::{Context, Globals, Streams};

/// Seconds a call may take.
const CALL_SECONDS_MAX: u64 = 30;
/// Looks at whether a killed process has ended, and the pause between two.
const END_LOOKS_MAX: u32 = 400;
const END_LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Settings of every node of the demonstration: clocks looked at often and links dialled again soon, so that nobody waits.
const SETTINGS: [&str; 6] = [
    "time.tick_ms=100",
    "link.retry_ms_min=20",
    "link.retry_ms_max=200",
    "journal.segment_bytes=1048576",
    "journal.reserve_bytes=0",
    "store.cache_bytes=1048576",
];

/// Ports of a node, all on loopback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    /// Children dial in.
    pub(super) link: SocketAddr,
    /// Invited nodes enrol.
    pub(super) enrol: SocketAddr,
    /// gRPC.
    pub(super) desk: SocketAddr,
    /// Health and metrics.
    pub(super) operations: SocketAddr,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    /// Where.
    pub(super) at: At,
    /// Official name.
    pub(super) name: &'static str,
    /// Data folder.
    pub(super) folder: PathBuf,
    /// Ports.
    pub(super) ports: Ports,
    /// The wire to the parent.
    pub(super) wire: Option<Proxy>,
    clock: PathBuf,
    child: Option<Child>,
    /// Open as long as the demonstration runs: the node ends with it, also when it is killed.
    leash: Option<ChildStdin>,
}

/// This binary, without what the caller's environment would tell it.
pub(super) fn fengqiao() -> Done<Command> {
    let binary = std::env::current_exe().map_err(|error| {
        failed(
            "DEMO_BINARY",
            format!("this program's own file: {error}"),
            "找不到本程序",
        )
    })?;
    let mut command = Command::new(binary);
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FENGQIAO_"))
    {
        command.env_remove(name);
    }
    // A group of its own: Ctrl-C is for the demonstration, which ends its nodes itself.
    command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .process_group(0);
    Ok(command)
}

impl Node {
    /// A node whose folder is made; it does not run yet.
    pub(super) fn new(
        at: At,
        name: &'static str,
        folder: PathBuf,
        ports: Ports,
        wire: Option<Proxy>,
        clock: &Path,
    ) -> Self {
        Self {
            at,
            name,
            folder,
            ports,
            wire,
            clock: clock.to_owned(),
            child: None,
            leash: None,
        }
    }

    /// Where its process writes its log.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.with_extension("log")
    }

    /// Starts the process and waits until it answers.
    pub(super) async fn start(&mut self) -> Done<()> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .map_err(|error| {
                failed(
                    "DEMO_FOLDER",
                    format!("{}: {error}", self.log().display()),
                    "无法写入文件夹",
                )
            })?;
        let mut command = fengqiao()?;
        command
            .arg("--data")
            .arg(&self.folder)
            .arg("run")
            .arg("--while-stdin")
            .arg("--clock")
            .arg(&self.clock);
        let listens = [
            format!("link.listen={}", self.ports.link),
            format!("enrol.listen={}", self.ports.enrol),
            format!("desk.listen={}", self.ports.desk),
            format!("operations.listen={}", self.ports.operations),
        ];
        let upward = self
            .wire
            .as_ref()
            .map(|wire| format!("link.parent_address={}", wire.address()));
        for setting in SETTINGS
            .map(str::to_owned)
            .into_iter()
            .chain(listens)
            .chain(upward)
        {
            command.arg("--set").arg(setting);
        }
        command.stdin(Stdio::piped());
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        let mut child = child.map_err(|error| {
            failed(
                "DEMO_START",
                format!("{}: {error}", self.name),
                "节点无法启动",
            )
        })?;
        self.leash = child.stdin.take();
        self.child = Some(child);
        self.answering().await
    }

    async fn answering(&mut self) -> Done<()> {
        let (log, name) = (self.log(), self.name);
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let what = format!("{name} answers");
        let answering = tokio::select! {
            answering = until(&what, async || Ok(self.status().await.ok())) => answering.map(|_| ()),
            ended = child.wait() => {
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(failed("DEMO_START", format!("{name} ended: {how}; see {}", log.display()), "节点启动后退出"))
            }
        };
        self.child = Some(child);
        answering
    }

    /// Ends the process as a power failure would: SIGKILL, nothing drained.
    pub(super) async fn kill(&mut self) -> Done<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        child.kill().await.map_err(|error| {
            failed(
                "DEMO_KILL",
                format!("{}: {error}", self.name),
                "无法结束进程",
            )
        })
    }

    fn context(&self, login: &str) -> Context {
        let globals = Globals {
            data: Some(self.folder.clone()),
            socket: None,
            login: Some(login.to_owned()),
            output: Output::Json,
            timeout: CALL_SECONDS_MAX,
        };
        Context {
            globals,
            streams: std::sync::Mutex::new(Streams::of_process()),
        }
    }

    /// Makes a move as an account of this centre.
    pub(super) async fn act(
        &self,
        login: &str,
        case: &str,
        mv: Move,
        texts: &[(&str, &str)],
    ) -> Done<pb::ActResponse> {
        static REQUESTS: AtomicU64 = AtomicU64::new(0);
        let request_id = format!("demo-{}", REQUESTS.fetch_add(1, Ordering::Relaxed));
        let texts = texts
            .iter()
            .map(|(role, text)| pb::PrivateText {
                role: (*role).to_owned(),
                text: (*text).to_owned(),
            })
            .collect();
        let what = what_of(&mv);
        let message = pb::ActRequest {
            request_id: request_id.clone(),
            case: case.to_owned(),
            command: Some(pb::Command { r#move: Some(mv) }),
            texts,
        };
        let context = self.context(login);
        let answered = async {
            let request = context.request(message)?;
            let mut client = context.casework().await?;
            context
                .call(&Call::Write { request_id }, client.act(request))
                .await
        };
        answered
            .await
            .map_err(|failure| self.refused(&what, &failure))
    }

    /// A case as this node knows it; nothing when it does not.
    pub(super) async fn case(&self, case: &str) -> Done<Option<pb::CaseView>> {
        match self.look(case, false).await {
            Ok(view) => Ok(view),
            Err(failure) if code_of(&failure) == "CASE_UNKNOWN" => Ok(None),
            Err(failure) => Err(self.refused("case show", &failure)),
        }
    }

    /// A case as this node knows it, with the texts it may show; or the code of the refusal.
    pub(super) async fn case_with_texts(&self, case: &str) -> Result<Option<pb::CaseView>, String> {
        self.look(case, true)
            .await
            .map_err(|failure| code_of(&failure))
    }

    async fn look(&self, case: &str, show_texts: bool) -> Result<Option<pb::CaseView>, Failure> {
        let context = self.context("clerk");
        let request = context.request(pb::GetCaseRequest {
            case: case.to_owned(),
            show_texts,
        })?;
        let mut client = context.casework().await?;
        Ok(context
            .call(&Call::Read, client.get_case(request))
            .await?
            .case)
    }

    /// Open cases, those known by notice too.
    pub(super) async fn open_cases(&self) -> Done<Vec<pb::CaseView>> {
        let context = self.context("clerk");
        let listed = async {
            let message = pb::ListCasesRequest {
                page_size: 500,
                with_notices: true,
                ..Default::default()
            };
            let request = context.request(message)?;
            let mut client = context.casework().await?;
            context.call(&Call::Read, client.list_cases(request)).await
        };
        listed
            .await
            .map(|list| list.cases)
            .map_err(|failure| self.refused("case list", &failure))
    }

    /// The count of a name in a class over every figure held here.
    pub(super) async fn count(&self, class: &str, name: &str) -> Done<u64> {
        let context = self.context("clerk");
        let listed = async {
            let request = context.request(pb::ListTalliesRequest {})?;
            let mut client = context.casework().await?;
            context
                .call(&Call::Read, client.list_tallies(request))
                .await
        };
        let tallies = listed
            .await
            .map_err(|failure| self.refused("tallies", &failure))?
            .tallies;
        let counts = tallies
            .iter()
            .filter(|tally| tally.class == class)
            .flat_map(|tally| &tally.counts);
        Ok(counts
            .filter(|count| count.name == name)
            .map(|count| count.count)
            .sum())
    }

    /// Status.
    pub(super) async fn status(&self) -> Result<pb::GetStatusResponse, Failure> {
        let context = self.context("admin");
        let request = context.request(pb::GetStatusRequest {})?;
        let mut client = context.node().await?;
        context.call(&Call::Read, client.get_status(request)).await
    }

    /// Digests, computed by the node from its journal.
    pub(super) async fn digest(&self) -> Done<pb::GetDigestResponse> {
        let context = self.context("admin");
        let computed = async {
            let request = context.request(pb::GetDigestRequest {})?;
            let mut client = context.node().await?;
            context.call(&Call::Read, client.get_digest(request)).await
        };
        computed
            .await
            .map_err(|failure| self.refused("digest", &failure))
    }

    /// Adds a place below, if it is not there, and invites its node.
    pub(super) async fn invite(&self, below: At) -> Done<String> {
        let context = self.context("admin");
        let name = below.name()?.to_owned();
        let write = Call::Write {
            request_id: String::new(),
        };
        let invited = async {
            let (code, level) = (below.code().to_owned(), below.level());
            let mut client = context.node().await?;
            let place = context.request(pb::AddPlaceRequest {
                code: code.clone(),
                name,
                level,
                place: String::new(),
            })?;
            context.call(&write, client.add_place(place)).await?;
            let invite = context.request(pb::InviteRequest {
                place: code,
                ..Default::default()
            })?;
            context.call(&write, client.invite(invite)).await
        };
        invited
            .await
            .map(|invited| invited.token)
            .map_err(|failure| self.refused("invite", &failure))
    }

    /// Adds a unit of this centre with an account that handles for it.
    pub(super) async fn add_unit(&self, name: &str, login: &str) -> Done<()> {
        let context = self.context("admin");
        let added = async {
            let unit = pb::AddUnitRequest {
                name: name.to_owned(),
                kind: pb::UnitKind::Department.into(),
                presence: pb::UnitPresence::Resident.into(),
            };
            let request = context.request(unit)?;
            let mut client = context.node().await?;
            context
                .call(
                    &Call::Write {
                        request_id: String::new(),
                    },
                    client.add_unit(request),
                )
                .await
        };
        added
            .await
            .map_err(|failure| self.refused("unit add", &failure))?;
        self.add_account(login, name, &[pb::Role::Handler]).await
    }

    /// Opens an account.
    pub(super) async fn add_account(
        &self,
        login: &str,
        unit: &str,
        roles: &[pb::Role],
    ) -> Done<()> {
        let context = self.context("admin");
        let set = async {
            let account = pb::SetAccountRequest {
                login: login.to_owned(),
                unit: unit.to_owned(),
                roles: roles.iter().map(|role| i32::from(*role)).collect(),
                closed: false,
            };
            let request = context.request(account)?;
            let mut client = context.node().await?;
            context
                .call(
                    &Call::Write {
                        request_id: String::new(),
                    },
                    client.set_account(request),
                )
                .await
        };
        set.await
            .map(|_| ())
            .map_err(|failure| self.refused("account set", &failure))
    }

    fn refused(&self, what: &str, failure: &Failure) -> crate::cli::server::Failed {
        failed(
            &code_of(failure),
            format!("{} ({}): {what}: {failure}", self.name, self.at.english()),
            "节点拒绝或没有答复",
        )
    }
}

impl Drop for Node {
    /// Ends the process and waits for its end, so that nothing is written into its folder any more.
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // Both fail only for a process that is gone already.
        let _ = child.start_kill();
        for _ in 0..END_LOOKS_MAX {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(END_LOOK_PAUSE);
        }
    }
}

fn what_of(mv: &Move) -> String {
    // The name of the variant alone: what stands in it may be about a person.
    let shown = format!("{mv:?}");
    shown
        .split(['(', ' '])
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn code_of(failure: &Failure) -> String {
    match failure {
        Failure::Usage(told) | Failure::File(told) | Failure::Refused(told) => told.code.clone(),
        Failure::TryAgain { told, .. } | Failure::Unexpected { told, .. } => told.code.clone(),
        Failure::NotConnected { .. } => "NOT_CONNECTED".to_owned(),
        Failure::Output(_) => "OUTPUT".to_owned(),
    }
}
