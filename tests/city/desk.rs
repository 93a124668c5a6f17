//! A desk as a clerk or a program uses it: the generated clients, the moves in short, refusals read back.

use std::path::PathBuf;
use std::time::Duration;

use fengqiao_hub::id::base32;
use fengqiao_node::app::actions::type_of;
use fengqiao_node::desk::LOGIN_KEY;
use fengqiao_node::desk::error::told;
use fengqiao_node::trust::random::{OsRandom, draw};
use fengqiao_proto::v1 as pb;
use hyper_util::rt::TokioIo;
use pb::casework_service_client::CaseworkServiceClient;
use pb::node_service_client::NodeServiceClient;
use tokio::net::UnixStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::until;
use crate::kit::moves;
pub use crate::kit::moves::{escalate, take};

const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// A second account: who drafted a reply cannot approve it.
pub const SECOND: &str = "second";
/// Account of a third, who had no hand in the work.
pub const THIRD: &str = "third";

/// One way to a node, as one account.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Connection.
    pub channel: Channel,
    login: Option<String>,
    bearer: Option<String>,
}

/// An id for a request.
#[must_use]
pub fn request_id() -> String {
    base32(&draw::<10>(&mut OsRandom).unwrap())
}

impl Desk {
    /// By a local socket. Connects when first used, and again when the connection broke.
    #[must_use]
    pub fn of_socket(path: PathBuf) -> Self {
        let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let channel =
            Endpoint::from_static("http://fengqiao.local").connect_with_connector_lazy(connector);
        Self {
            channel,
            login: None,
            bearer: None,
        }
    }

    /// By the TCP port, with a token or without.
    #[must_use]
    pub fn of_port(port: u16, bearer: Option<&str>) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
        Self {
            channel: endpoint.connect_lazy(),
            login: None,
            bearer: bearer.map(str::to_owned),
        }
    }

    /// The same as another account.
    #[must_use]
    pub fn acting_as(&self, login: &str) -> Self {
        Self {
            login: Some(login.to_owned()),
            ..self.clone()
        }
    }

    /// A request of this account.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(CALL_TIMEOUT);
        if let Some(login) = &self.login {
            request
                .metadata_mut()
                .insert(LOGIN_KEY, MetadataValue::try_from(login).unwrap());
        }
        if let Some(bearer) = &self.bearer {
            let value = MetadataValue::try_from(format!("Bearer {bearer}")).unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    /// Casework.
    #[must_use]
    pub fn casework(&self) -> CaseworkServiceClient<Channel> {
        CaseworkServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    /// Administration.
    #[must_use]
    pub fn node(&self) -> NodeServiceClient<Channel> {
        NodeServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    /// The status, or `None` where nobody answers.
    pub async fn try_status(&self) -> Option<pb::GetStatusResponse> {
        let request = self.request(pb::GetStatusRequest {});
        let answer = self.node().get_status(request).await.ok()?;
        Some(answer.into_inner())
    }

    /// The status.
    pub async fn status(&self) -> pb::GetStatusResponse {
        self.try_status().await.unwrap()
    }

    /// The digests, or `None` where nobody answers.
    pub async fn try_digest(&self) -> Option<pb::GetDigestResponse> {
        let request = self.request(pb::GetDigestRequest {});
        let answer = self.node().get_digest(request).await.ok()?;
        Some(answer.into_inner())
    }

    /// The digests.
    pub async fn digest(&self) -> pb::GetDigestResponse {
        self.try_digest().await.unwrap()
    }

    /// One move, with a request id of its own.
    ///
    /// # Errors
    /// The refusal.
    pub async fn act(
        &self,
        case: &str,
        mv: pb::Action,
        texts: &[(&str, &str)],
    ) -> Result<pb::ActResponse, Status> {
        self.ask(act(case, mv, texts)).await
    }

    /// One request.
    ///
    /// # Errors
    /// The refusal.
    pub async fn ask(&self, request: pb::ActRequest) -> Result<pb::ActResponse, Status> {
        let answer = self.casework().act(self.request(request)).await?;
        Ok(answer.into_inner())
    }

    /// Registers a case.
    pub async fn register(&self, text: &str) -> pb::ActResponse {
        self.act("", register(), &[("text", text)]).await.unwrap()
    }

    /// Makes moves one after the other, each with the text it needs; a reply is approved by the second account.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn moves(&self, case: &str, moves: impl IntoIterator<Item = pb::Action>) {
        for mv in moves {
            let who = match person_for(&mv) {
                SECOND => self.second().await,
                THIRD => self.third().await,
                _ => self.clone(),
            };
            let texts = required_texts(&mv);
            let shown = format!("{mv:?}");
            let made = who.act(case, mv, &texts).await;
            assert!(
                made.is_ok(),
                "{shown}: {:?}",
                made.err().map(|status| refusal(&status))
            );
        }
    }

    /// The second account, opened where it is not.
    pub async fn second(&self) -> Self {
        self.account(SECOND, &[pb::Role::Approver, pb::Role::Leader], "")
            .await;
        self.acting_as(SECOND)
    }

    /// The third account, opened where it is not.
    pub async fn third(&self) -> Self {
        self.account(THIRD, &[pb::Role::Clerk, pb::Role::Leader], "")
            .await;
        self.acting_as(THIRD)
    }

    /// Opens an account; its token, once.
    pub async fn account(&self, login: &str, roles: &[pb::Role], unit: &str) -> String {
        let request = pb::SetAccountRequest {
            login: login.to_owned(),
            unit: unit.to_owned(),
            roles: roles.iter().map(|role| i32::from(*role)).collect(),
            closed: false,
        };
        let answer = self.node().set_account(self.request(request)).await;
        answer.unwrap().into_inner().token
    }

    /// A case as this node knows it.
    ///
    /// # Errors
    /// The refusal.
    pub async fn case(&self, case: &str) -> Result<pb::CaseView, Status> {
        let request = pb::GetCaseRequest {
            case: case.to_owned(),
            show_texts: false,
        };
        let answer = self.casework().get_case(self.request(request)).await?;
        Ok(answer.into_inner().case.unwrap())
    }

    /// A case with its texts.
    ///
    /// # Errors
    /// The refusal.
    pub async fn case_with_texts(&self, case: &str) -> Result<pb::CaseView, Status> {
        let request = pb::GetCaseRequest {
            case: case.to_owned(),
            show_texts: true,
        };
        let answer = self.casework().get_case(self.request(request)).await?;
        Ok(answer.into_inner().case.unwrap())
    }

    /// Waits until a case is here as wanted.
    pub async fn sees(
        &self,
        case: &str,
        what: &str,
        wanted: impl Fn(&pb::CaseView) -> bool,
    ) -> pb::CaseView {
        until(what, async || {
            self.case(case).await.ok().filter(|case| wanted(case))
        })
        .await
    }

    /// Waits until a case stands here at a stage.
    pub async fn sees_stage(&self, case: &str, stage: &str) -> pb::CaseView {
        let what = format!("case at stage {stage}");
        let shown = until(&what, async || {
            let seen = self.case(case).await.ok()?;
            (seen.stage == stage).then_some(seen)
        });
        shown.await
    }

    /// Waits until the last thing known here of a case is this move of this centre.
    pub async fn sees_move(&self, case: &str, name: &str, place: &str) -> pb::CaseView {
        let what = format!("{name} of {place}");
        self.sees(case, &what, |case| {
            let last = case.entries.last();
            last.is_some_and(|last| last.r#move == name && last.place == place)
        })
        .await
    }

    /// Every case known here, closed ones and notices too.
    pub async fn all_cases(&self) -> Vec<pb::CaseView> {
        let mut cases = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListCasesRequest {
                page_size: 500,
                page_token,
                with_notices: true,
                with_closed: true,
            };
            let page = self
                .casework()
                .list_cases(self.request(request))
                .await
                .unwrap()
                .into_inner();
            cases.extend(page.cases);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return cases;
            }
        }
    }

    /// Adds a place below and invites a node for it.
    pub async fn invite_place(&self, name: &str, level: u32) -> String {
        let place = pb::AddPlaceRequest {
            name: name.to_owned(),
            level,
            ..Default::default()
        };
        self.node().add_place(self.request(place)).await.unwrap();
        self.invite(name, "", 0).await
    }

    /// Adds a unit.
    pub async fn add_unit(&self, name: &str) {
        let unit = pb::AddUnitRequest {
            name: name.to_owned(),
            kind: pb::UnitKind::Department.into(),
            presence: pb::UnitPresence::Resident.into(),
        };
        self.node().add_unit(self.request(unit)).await.unwrap();
    }

    /// Mints an invitation.
    pub async fn invite(&self, place: &str, unit: &str, hours: u32) -> String {
        let request = pb::InviteRequest {
            place: place.to_owned(),
            unit: unit.to_owned(),
            hours,
            successor: false,
        };
        let answer = self.node().invite(self.request(request)).await;
        answer.unwrap().into_inner().token
    }

    /// Mints an invitation for the successor of a lost node.
    pub async fn invite_successor(&self, place: &str) -> String {
        let request = pb::InviteRequest {
            place: place.to_owned(),
            successor: true,
            ..Default::default()
        };
        let answer = self.node().invite(self.request(request)).await;
        answer.unwrap().into_inner().token
    }

    /// Revokes a node.
    pub async fn revoke(&self, node: &str) {
        let request = pb::RevokeNodeRequest {
            node: node.to_owned(),
        };
        self.node()
            .revoke_node(self.request(request))
            .await
            .unwrap();
    }

    /// Waits until an alarm stands in the status that holds a word.
    pub async fn alarmed(&self, word: &str) -> String {
        until(&format!("an alarm {word}"), async || {
            let status = self.try_status().await?;
            status.alarms.into_iter().find(|alarm| alarm.contains(word))
        })
        .await
    }

    /// The link to a neighbour, by the name of its place or unit.
    pub async fn link(&self, name: &str) -> Option<pb::LinkStatus> {
        let status = self.try_status().await?;
        status.links.into_iter().find(|link| link.name == name)
    }

    /// Waits until the link to the tier above runs.
    pub async fn sees_up(&self) {
        until("the link up runs", async || {
            let status = self.try_status().await?;
            status
                .links
                .into_iter()
                .find(|link| link.direction == "up" && link.connected)
        })
        .await;
    }

    /// Waits until the link to a neighbour runs, or does not.
    pub async fn link_runs(&self, name: &str, runs: bool) {
        let what = format!("the link to {name} runs: {runs}");
        until(&what, async || {
            self.link(name).await.filter(|link| link.connected == runs)
        })
        .await;
    }
}

/// The request of one action.
#[must_use]
pub fn act(case: &str, action: pb::Action, texts: &[(&str, &str)]) -> pb::ActRequest {
    moves::request(request_id(), case, action, texts)
}

/// Takes a quarrel in.
#[must_use]
pub fn register() -> pb::Action {
    moves::register(moves::intake(pb::Channel::Window, "disputes-neighbours"))
}

/// Dispatches to a place below.
#[must_use]
pub fn dispatch(place: &str) -> pb::Action {
    moves::dispatch(place, 0)
}

/// The work that ends in a reply.
#[must_use]
pub fn reply() -> Vec<pb::Action> {
    vec![
        moves::take_action(),
        moves::draft_reply(true),
        moves::approve_reply(),
        moves::send_reply(),
    ]
}

/// The end of a life.
#[must_use]
pub fn close() -> Vec<pb::Action> {
    vec![
        moves::return_visit(true),
        moves::rate(5),
        moves::close(pb::Outcome::Solved),
    ]
}

/// The texts an action cannot do without.
#[must_use]
pub fn required_texts(action: &pb::Action) -> Vec<(&'static str, &'static str)> {
    let known = type_of(action).unwrap();
    let needed = known
        .asked()
        .filter(|field| field.rule.required && !field.rule.sealed.is_empty());
    needed
        .map(|field| (field.rule.sealed.as_str(), "已处理"))
        .collect()
}

/// Whose account takes an action: nobody judges their own work.
#[must_use]
pub fn person_for(action: &pb::Action) -> &'static str {
    match moves::name(action).as_str() {
        "approve-reply" => SECOND,
        "return-visit" | "rate" | "order-redo" | "close" => THIRD,
        _ => "admin",
    }
}

/// Stable code and field of a refusal.
#[must_use]
pub fn refusal(status: &Status) -> (Code, String, String) {
    match told(status) {
        Some(told) => (status.code(), told.code, told.field),
        None => (status.code(), status.message().to_owned(), String::new()),
    }
}
