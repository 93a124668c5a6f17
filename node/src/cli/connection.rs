//! The way to the node: one connection to its local socket, the acting account beside each request, a deadline on each.

use std::future::Future;

use fengqiao_proto::v1 as pb;
use hyper_util::rt::TokioIo;
use pb::casework_service_client::CaseworkServiceClient;
use pb::node_service_client::NodeServiceClient;
use tokio::net::UnixStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};

use super::Context;
use super::failure::{Call, Failure};
use crate::desk::LOGIN_KEY;

/// Largest answer read: a page of cases or a digest of all heads.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
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

    async fn connect(&self) -> Result<Channel, Failure> {
        let path = self.socket()?;
        let not_connected = |source| Failure::NotConnected {
            path: path.clone(),
            source,
        };
        let stream = UnixStream::connect(&path).await.map_err(not_connected)?;
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
            .map_err(|error| not_connected(std::io::Error::other(error)))
    }

    /// Puts a message into a request with account and deadline.
    ///
    /// # Errors
    /// A usage failure when the account's name cannot be one.
    pub fn request<T>(&self, message: T) -> Result<tonic::Request<T>, Failure> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.timeout());
        if let Some(login) = self.login() {
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

fn checked_login(login: &str) -> Option<&str> {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-'
    };
    ((1..=LOGIN_CHARACTERS_MAX).contains(&login.len()) && login.bytes().all(plain)).then_some(login)
}
