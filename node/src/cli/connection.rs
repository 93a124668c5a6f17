//! The way to the node: one connection to its local socket, or over TLS to another machine, the acting account beside
//! each request, a deadline on each.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use fengqiao_proto::v1 as pb;
use hyper_util::rt::TokioIo;
use pb::casework_service_client::CaseworkServiceClient;
use pb::import_service_client::ImportServiceClient;
use pb::node_service_client::NodeServiceClient;
use pb::rulebook_service_client::RulebookServiceClient;
use tokio::net::UnixStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};

use super::context::Context;
use super::failure::{Call, Failure};
use super::remote;
use crate::desk::LOGIN_KEY;

/// Largest answer read: a page of cases or a digest of all heads.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// For a question to a node that may not be there.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);
const LOGIN_CHARACTERS_MAX: usize = 32;

impl Context {
    /// Connects for casework.
    ///
    /// # Errors
    /// `NotConnected`, or a usage failure when no socket is named.
    pub async fn casework(&self) -> Result<CaseworkServiceClient<Channel>, Failure> {
        let channel = self.connect().await?;
        Ok(CaseworkServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX))
    }

    /// Connects for administration.
    ///
    /// # Errors
    /// `NotConnected`, or a usage failure when no socket is named.
    pub async fn node(&self) -> Result<NodeServiceClient<Channel>, Failure> {
        let channel = self.connect().await?;
        Ok(NodeServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX))
    }

    /// Connects for the rules.
    ///
    /// # Errors
    /// `NotConnected`, or a usage failure when no socket is named.
    pub async fn rulebook(&self) -> Result<RulebookServiceClient<Channel>, Failure> {
        let channel = self.connect().await?;
        let client = RulebookServiceClient::new(channel);
        Ok(client
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .max_encoding_message_size(ANSWER_BYTES_MAX))
    }

    /// Connects to bring rows of tables.
    ///
    /// # Errors
    /// `NotConnected`, or a usage failure when no socket is named.
    pub async fn imports(&self) -> Result<ImportServiceClient<Channel>, Failure> {
        let channel = self.connect().await?;
        Ok(ImportServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX))
    }

    async fn connect(&self) -> Result<Channel, Failure> {
        let remote = self.remote();
        if let Some(address) = &remote.remote {
            return remote::connect(address, remote.trust.as_deref()).await;
        }
        let path = self.socket()?;
        let not_connected = |source| Failure::NotConnected {
            path: path.clone(),
            source,
        };
        dial(&path).await.map_err(not_connected)
    }

    /// Puts a message into a request with account and deadline.
    ///
    /// # Errors
    /// A usage failure when the account's name cannot be one.
    pub fn request<T>(&self, message: T) -> Result<tonic::Request<T>, Failure> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.timeout());
        let remote = self.remote();
        if remote.remote.is_some()
            && let Some(token) = &remote.access_token_file
        {
            if self.login().is_some() {
                return Err(Failure::usage(
                    "as",
                    "with --remote the access token says who acts: leave out --as and FENGQIAO_LOGIN",
                    "使用 --remote 时由访问令牌确定账号，请去掉 --as 和 FENGQIAO_LOGIN",
                ));
            }
            let header = remote::bearer(token)?;
            request.metadata_mut().insert("authorization", header);
        } else if let Some(login) = self.login() {
            let value = checked_login(login)
                .and_then(|login| MetadataValue::try_from(login).ok())
                .ok_or_else(|| {
                    Failure::usage(
                        "as",
                        "a login is 1 to 32 of a-z, 0-9, dot and hyphen",
                        "账号名为 1 至 32 个 a-z、0-9、点或连字符",
                    )
                })?;
            request.metadata_mut().insert(LOGIN_KEY, value);
        }
        Ok(request)
    }

    /// Awaits an answer, no longer than the deadline.
    ///
    /// # Errors
    /// What the node or the connection said, with what is known of the effect.
    pub async fn call<T>(
        &self,
        call: &Call,
        answer: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, Failure> {
        // The deadline in the request ends with the first byte of the answer; this one with the last.
        let answer = tokio::time::timeout(self.timeout(), answer)
            .await
            .map_err(|_| Failure::no_answer(call))?;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| Failure::of(&status, call))
    }
}

async fn dial(path: &Path) -> std::io::Result<Channel> {
    let stream = UnixStream::connect(path).await?;
    // One connection a command: a call that lost it must not be sent again behind the caller's back.
    let mut once = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
        let stream = once
            .take()
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        async move { stream }
    });
    Endpoint::from_static("http://fengqiao.local")
        .connect_with_connector(connector)
        .await
        .map_err(std::io::Error::other)
}

/// What the node at a socket says of itself; `None` where none answers.
pub(crate) async fn status_of(socket: &Path) -> Option<pb::GetStatusResponse> {
    let asked = async {
        let mut node = NodeServiceClient::new(dial(socket).await.ok()?);
        let answer = node.get_status(pb::GetStatusRequest {}).await;
        Some(answer.ok()?.into_inner())
    };
    tokio::time::timeout(STATUS_TIMEOUT, asked).await.ok()?
}

/// A case as a node shows it with its texts, or that it may not.
#[derive(Debug)]
pub(crate) enum Seen {
    /// With its texts.
    Case(Box<pb::CaseView>),
    /// This account may not read them here.
    Sealed,
}

/// Asks a running node for the texts of all wanted cases, one after the other, as an account.
///
/// # Errors
/// It does not answer, or refuses for another reason than that a case is sealed to the account.
pub(crate) async fn cases_of(
    socket: &Path,
    login: &str,
    wanted: &dyn Fn(&str) -> bool,
    each: &mut dyn FnMut(Seen),
) -> Result<(), super::ground::Failed> {
    let refused = |error: &dyn std::fmt::Display| super::ground::Failed {
        code: "NOT_RUNNING".to_owned(),
        english: format!(
            "{}: {error}; texts are shown by a running node only",
            socket.display()
        ),
        chinese: "节点未运行或未应答：正文只能由运行中的节点给出".to_owned(),
        exit: super::exit::Exit::TryAgain.code(),
    };
    let channel = dial(socket).await.map_err(|error| refused(&error))?;
    let mut desk = CaseworkServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
    let login = checked_login(login).and_then(|login| MetadataValue::try_from(login).ok());
    let login = login.ok_or_else(|| {
        super::ground::Failed::usage(
            "ACCOUNT_MISSING",
            "name the account that asks with --as LOGIN",
            "请用 --as 指明账号",
        )
    })?;
    let mut page_token = String::new();
    loop {
        let mut request = tonic::Request::new(pb::ListCasesRequest {
            page_size: 500,
            page_token,
            with_closed: true,
            ..Default::default()
        });
        request.metadata_mut().insert(LOGIN_KEY, login.clone());
        let listed = desk.list_cases(request).await;
        let listed = listed
            .map_err(|status| refused(&status.message()))?
            .into_inner();
        for case in listed.cases.iter().filter(|case| wanted(&case.case)) {
            let mut request = tonic::Request::new(pb::GetCaseRequest {
                case: case.case.clone(),
                show_texts: true,
                purpose: pb::LookPurpose::Export.into(),
            });
            request.metadata_mut().insert(LOGIN_KEY, login.clone());
            match desk.get_case(request).await {
                Ok(shown) => {
                    let shown = shown.into_inner().case;
                    each(shown.map_or(Seen::Sealed, |case| Seen::Case(Box::new(case))));
                }
                Err(status)
                    if status.code() == tonic::Code::PermissionDenied
                        || status.code() == tonic::Code::FailedPrecondition =>
                {
                    each(Seen::Sealed)
                }
                Err(status) => return Err(refused(&status.message())),
            }
        }
        page_token = listed.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

fn checked_login(login: &str) -> Option<&str> {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-'
    };
    ((1..=LOGIN_CHARACTERS_MAX).contains(&login.len()) && login.bytes().all(plain)).then_some(login)
}
