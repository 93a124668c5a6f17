//! A node that writes down what it is asked and gives the answers it was told to give.

use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use clap::Parser;
use fengqiao_node::cli::{self, ClientCommands, Globals, Streams};
use fengqiao_proto::v1 as pb;
use pb::casework_service_server::{CaseworkService, CaseworkServiceServer};
use pb::import_service_server::{ImportService, ImportServiceServer};
use pb::node_service_server::{NodeService, NodeServiceServer};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

#[derive(Debug, Parser)]
#[command(name = "fengqiao")]
pub(crate) struct Line {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: ClientCommands,
}

/// What the node answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    pub(crate) refusal: Option<Status>,
    pub(crate) silent: bool,
    pub(crate) act: pb::ActResponse,
    pub(crate) case: pb::CaseView,
    pub(crate) cases: pb::ListCasesResponse,
    pub(crate) directives: Vec<pb::DirectiveView>,
    pub(crate) status: pb::GetStatusResponse,
    pub(crate) digest: pb::GetDigestResponse,
    pub(crate) account: pb::SetAccountResponse,
    pub(crate) invitation: pb::InviteResponse,
    pub(crate) invitations: Vec<pb::InvitationView>,
    pub(crate) places: pb::ListPlacesResponse,
    pub(crate) people: Vec<pb::AccountView>,
    pub(crate) prepared: pb::SignedEntry,
    /// What every row of a table comes to.
    pub(crate) row: pb::RowVerdict,
    /// Calls with rows after which the node is gone; 0 is never.
    pub(crate) gone_after: usize,
}

/// What the node was asked.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) logins: Vec<Option<String>>,
    pub(crate) acts: Vec<pb::ActRequest>,
    pub(crate) shows: Vec<pb::GetCaseRequest>,
    pub(crate) lists: Vec<pb::ListCasesRequest>,
    pub(crate) issues: Vec<pb::IssueDirectiveRequest>,
    pub(crate) answers: Vec<pb::AnswerDirectiveRequest>,
    pub(crate) places: Vec<pb::AddPlaceRequest>,
    /// Calls with rows: how many, and whether they were only to be judged.
    pub(crate) case_rows: Vec<(usize, bool)>,
    pub(crate) divisions: Vec<(Vec<pb::DivisionRow>, bool)>,
    pub(crate) units: Vec<pb::AddUnitRequest>,
    pub(crate) accounts: Vec<pb::SetAccountRequest>,
    pub(crate) rotated: Vec<pb::RotateTokenRequest>,
    pub(crate) tokens_revoked: Vec<String>,
    pub(crate) invitations_revoked: Vec<String>,
    pub(crate) invites: Vec<pb::InviteRequest>,
    pub(crate) revoked: Vec<String>,
    pub(crate) waived: Vec<String>,
    pub(crate) ended: Vec<pb::EndPlaceRequest>,
    pub(crate) moved: Vec<pb::MovePlaceRequest>,
    pub(crate) renamed: Vec<String>,
    pub(crate) accounts_asked: Vec<pb::ListAccountsRequest>,
    pub(crate) approvers: Vec<Vec<String>>,
    pub(crate) renewals: Vec<pb::SignedEntry>,
}

#[derive(Debug, Clone, Default)]
struct Service {
    answers: Arc<Answers>,
    seen: Arc<Mutex<Seen>>,
}

impl Service {
    async fn answer<Q, A>(
        &self,
        request: Request<Q>,
        note: impl FnOnce(&mut Seen, Q),
        answer: A,
    ) -> Result<Response<A>, Status> {
        let login = request.metadata().get("fengqiao-login");
        let login = login.map(|value| value.to_str().unwrap().to_owned());
        {
            let mut seen = self.seen.lock().unwrap();
            seen.logins.push(login);
            note(&mut seen, request.into_inner());
        }
        if self.answers.silent {
            std::future::pending::<()>().await;
        }
        match &self.answers.refusal {
            Some(status) => Err(status.clone()),
            None => Ok(Response::new(answer)),
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl CaseworkService for Service {
    async fn act(&self, request: Request<pb::ActRequest>) -> Answer<pb::ActResponse> {
        let answer = self.answers.act.clone();
        self.answer(request, |seen, q| seen.acts.push(q), answer)
            .await
    }

    async fn get_case(&self, request: Request<pb::GetCaseRequest>) -> Answer<pb::GetCaseResponse> {
        let case = Some(self.answers.case.clone());
        let answer = pb::GetCaseResponse { case };
        self.answer(request, |seen, q| seen.shows.push(q), answer)
            .await
    }

    async fn list_cases(
        &self,
        request: Request<pb::ListCasesRequest>,
    ) -> Answer<pb::ListCasesResponse> {
        let answer = self.answers.cases.clone();
        self.answer(request, |seen, q| seen.lists.push(q), answer)
            .await
    }

    async fn issue_directive(
        &self,
        request: Request<pb::IssueDirectiveRequest>,
    ) -> Answer<pb::IssueDirectiveResponse> {
        let directive = "d1".to_owned();
        let answer = pb::IssueDirectiveResponse { directive };
        self.answer(request, |seen, q| seen.issues.push(q), answer)
            .await
    }

    async fn answer_directive(
        &self,
        request: Request<pb::AnswerDirectiveRequest>,
    ) -> Answer<pb::AnswerDirectiveResponse> {
        let answer = pb::AnswerDirectiveResponse {};
        self.answer(request, |seen, q| seen.answers.push(q), answer)
            .await
    }

    async fn list_directives(
        &self,
        request: Request<pb::ListDirectivesRequest>,
    ) -> Answer<pb::ListDirectivesResponse> {
        let directives = self.answers.directives.clone();
        let answer = pb::ListDirectivesResponse { directives };
        self.answer(request, |_, _| {}, answer).await
    }

    async fn list_looks(
        &self,
        request: Request<pb::ListLooksRequest>,
    ) -> Answer<pb::ListLooksResponse> {
        self.answer(request, |_, _| {}, pb::ListLooksResponse::default())
            .await
    }

    async fn list_tallies(
        &self,
        request: Request<pb::ListTalliesRequest>,
    ) -> Answer<pb::ListTalliesResponse> {
        self.answer(request, |_, _| {}, pb::ListTalliesResponse::default())
            .await
    }
}

#[tonic::async_trait]
impl ImportService for Service {
    async fn import_cases(
        &self,
        request: Request<pb::ImportCasesRequest>,
    ) -> Answer<pb::ImportCasesResponse> {
        let message = request.get_ref();
        let (rows, judge_only) = (message.rows.len(), message.judge_only);
        let calls = self.seen.lock().unwrap().case_rows.len();
        if self.answers.gone_after > 0 && calls >= self.answers.gone_after {
            return Err(Status::unavailable("gone"));
        }
        let answer = pb::ImportCasesResponse {
            rows: vec![self.answers.row.clone(); rows],
        };
        let note = |seen: &mut Seen, _| seen.case_rows.push((rows, judge_only));
        self.answer(request, note, answer).await
    }

    async fn import_places(
        &self,
        request: Request<pb::ImportPlacesRequest>,
    ) -> Answer<pb::ImportPlacesResponse> {
        let rows = request.get_ref().rows.len();
        let answer = pb::ImportPlacesResponse {
            rows: vec![self.answers.row.clone(); rows],
            remaining: 0,
        };
        let note = |seen: &mut Seen, q: pb::ImportPlacesRequest| {
            seen.divisions.push((q.rows, q.judge_only));
        };
        self.answer(request, note, answer).await
    }
}

#[tonic::async_trait]
impl NodeService for Service {
    async fn get_status(
        &self,
        request: Request<pb::GetStatusRequest>,
    ) -> Answer<pb::GetStatusResponse> {
        let answer = self.answers.status.clone();
        self.answer(request, |_, _| {}, answer).await
    }

    async fn get_digest(
        &self,
        request: Request<pb::GetDigestRequest>,
    ) -> Answer<pb::GetDigestResponse> {
        let answer = self.answers.digest.clone();
        self.answer(request, |_, _| {}, answer).await
    }

    async fn add_place(
        &self,
        request: Request<pb::AddPlaceRequest>,
    ) -> Answer<pb::AddPlaceResponse> {
        let place = "p1".to_owned();
        let answer = pb::AddPlaceResponse { place };
        self.answer(request, |seen, q| seen.places.push(q), answer)
            .await
    }

    async fn add_places(
        &self,
        request: Request<pb::AddPlacesRequest>,
    ) -> Answer<pb::AddPlacesResponse> {
        let note = |seen: &mut Seen, q: pb::AddPlacesRequest| seen.places.extend(q.places);
        self.answer(request, note, pb::AddPlacesResponse::default())
            .await
    }

    async fn add_unit(&self, request: Request<pb::AddUnitRequest>) -> Answer<pb::AddUnitResponse> {
        let unit = "u1".to_owned();
        let answer = pb::AddUnitResponse { unit };
        self.answer(request, |seen, q| seen.units.push(q), answer)
            .await
    }

    async fn set_account(
        &self,
        request: Request<pb::SetAccountRequest>,
    ) -> Answer<pb::SetAccountResponse> {
        let answer = self.answers.account.clone();
        self.answer(request, |seen, q| seen.accounts.push(q), answer)
            .await
    }

    async fn rotate_token(
        &self,
        request: Request<pb::RotateTokenRequest>,
    ) -> Answer<pb::RotateTokenResponse> {
        let answer = pb::RotateTokenResponse {
            token: "t2".to_owned(),
            secret_withheld: false,
        };
        self.answer(request, |seen, q| seen.rotated.push(q), answer)
            .await
    }

    async fn revoke_token(
        &self,
        request: Request<pb::RevokeTokenRequest>,
    ) -> Answer<pb::RevokeTokenResponse> {
        let note = |seen: &mut Seen, q: pb::RevokeTokenRequest| seen.tokens_revoked.push(q.login);
        self.answer(request, note, pb::RevokeTokenResponse {}).await
    }

    async fn invite(&self, request: Request<pb::InviteRequest>) -> Answer<pb::InviteResponse> {
        let answer = self.answers.invitation.clone();
        self.answer(request, |seen, q| seen.invites.push(q), answer)
            .await
    }

    async fn list_invitations(
        &self,
        request: Request<pb::ListInvitationsRequest>,
    ) -> Answer<pb::ListInvitationsResponse> {
        let invitations = self.answers.invitations.clone();
        let answer = pb::ListInvitationsResponse { invitations };
        self.answer(request, |_, _| {}, answer).await
    }

    async fn revoke_invitation(
        &self,
        request: Request<pb::RevokeInvitationRequest>,
    ) -> Answer<pb::RevokeInvitationResponse> {
        let note = |seen: &mut Seen, q: pb::RevokeInvitationRequest| {
            seen.invitations_revoked.push(q.invitation);
        };
        self.answer(request, note, pb::RevokeInvitationResponse {})
            .await
    }

    async fn revoke_node(
        &self,
        request: Request<pb::RevokeNodeRequest>,
    ) -> Answer<pb::RevokeNodeResponse> {
        let note = |seen: &mut Seen, q: pb::RevokeNodeRequest| seen.revoked.push(q.node);
        self.answer(request, note, pb::RevokeNodeResponse {}).await
    }

    async fn prepare_root_renewal(
        &self,
        request: Request<pb::PrepareRootRenewalRequest>,
    ) -> Answer<pb::PrepareRootRenewalResponse> {
        let entry = Some(self.answers.prepared.clone());
        let note = |seen: &mut Seen, q: pb::PrepareRootRenewalRequest| {
            seen.approvers.push(q.approved_by);
        };
        self.answer(request, note, pb::PrepareRootRenewalResponse { entry })
            .await
    }

    async fn renew_root(
        &self,
        request: Request<pb::RenewRootRequest>,
    ) -> Answer<pb::RenewRootResponse> {
        let note = |seen: &mut Seen, q: pb::RenewRootRequest| seen.renewals.extend(q.entry);
        self.answer(request, note, pb::RenewRootResponse { generation: 2 })
            .await
    }

    async fn import_entries(
        &self,
        request: Request<pb::ImportEntriesRequest>,
    ) -> Answer<pb::ImportEntriesResponse> {
        let answer = pb::ImportEntriesResponse::default();
        self.answer(request, |_, _| {}, answer).await
    }

    async fn end_place(
        &self,
        request: Request<pb::EndPlaceRequest>,
    ) -> Answer<pb::EndPlaceResponse> {
        let note = |seen: &mut Seen, q: pb::EndPlaceRequest| seen.ended.push(q);
        self.answer(request, note, pb::EndPlaceResponse {}).await
    }

    async fn move_place(
        &self,
        request: Request<pb::MovePlaceRequest>,
    ) -> Answer<pb::MovePlaceResponse> {
        let note = |seen: &mut Seen, q: pb::MovePlaceRequest| seen.moved.push(q);
        self.answer(request, note, pb::MovePlaceResponse {}).await
    }

    async fn waive_neighbour(
        &self,
        request: Request<pb::WaiveNeighbourRequest>,
    ) -> Answer<pb::WaiveNeighbourResponse> {
        let note = |seen: &mut Seen, q: pb::WaiveNeighbourRequest| seen.waived.push(q.node);
        self.answer(request, note, pb::WaiveNeighbourResponse {})
            .await
    }

    async fn rename_place(
        &self,
        request: Request<pb::RenamePlaceRequest>,
    ) -> Answer<pb::RenamePlaceResponse> {
        let note = |seen: &mut Seen, q: pb::RenamePlaceRequest| {
            seen.renamed
                .push(format!("{} {} {}", q.place, q.name, q.code));
        };
        let answer = pb::RenamePlaceResponse {
            name: "德城新区".into(),
            code: "371402".into(),
        };
        self.answer(request, note, answer).await
    }

    async fn rename_unit(
        &self,
        request: Request<pb::RenameUnitRequest>,
    ) -> Answer<pb::RenameUnitResponse> {
        let name = request.get_ref().name.clone();
        let note = |seen: &mut Seen, q: pb::RenameUnitRequest| {
            seen.renamed.push(format!("{} {}", q.unit, q.name));
        };
        self.answer(request, note, pb::RenameUnitResponse { name })
            .await
    }

    async fn end_unit(&self, request: Request<pb::EndUnitRequest>) -> Answer<pb::EndUnitResponse> {
        let note = |seen: &mut Seen, q: pb::EndUnitRequest| seen.renamed.push(q.unit);
        self.answer(request, note, pb::EndUnitResponse {}).await
    }

    async fn list_accounts(
        &self,
        request: Request<pb::ListAccountsRequest>,
    ) -> Answer<pb::ListAccountsResponse> {
        let accounts = self.answers.people.clone();
        let answer = pb::ListAccountsResponse { accounts };
        self.answer(request, |seen, q| seen.accounts_asked.push(q), answer)
            .await
    }

    async fn list_places(
        &self,
        request: Request<pb::ListPlacesRequest>,
    ) -> Answer<pb::ListPlacesResponse> {
        let answer = self.answers.places.clone();
        self.answer(request, |_, _| {}, answer).await
    }
}

/// A node of canned answers on a socket of its own.
#[derive(Debug)]
pub(crate) struct Node {
    folder: tempfile::TempDir,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Node {
    pub(crate) fn start(answers: Answers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener =
            UnixListener::bind(folder.path().join(fengqiao_node::config::SOCKET_NAME)).unwrap();
        let service = Service {
            answers: Arc::new(answers),
            seen: Arc::default(),
        };
        let seen = Arc::clone(&service.seen);
        let serving = tonic::transport::Server::builder()
            .add_service(CaseworkServiceServer::new(service.clone()))
            .add_service(ImportServiceServer::new(service.clone()))
            .add_service(NodeServiceServer::new(service))
            .serve_with_incoming(UnixListenerStream::new(listener));
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { folder, seen, task }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Runs a command against this node.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        let data = self.data();
        let mut whole = vec!["--data", data.to_str().unwrap()];
        whole.extend(arguments);
        run(&whole, b"").await
    }

    /// Runs a command that is to succeed, and reads its JSON.
    pub(crate) async fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut whole = vec!["--output", "json"];
        whole.extend(arguments);
        let ended = self.run(&whole).await;
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{arguments:?}");
        serde_json::from_str(&ended.out).unwrap()
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

pub(crate) fn parse(arguments: &[&str]) -> Result<Line, clap::Error> {
    Line::try_parse_from(std::iter::once("fengqiao").chain(arguments.iter().copied()))
}

/// Runs a command line with this standard input.
pub(crate) async fn run(arguments: &[&str], input: &[u8]) -> Ended {
    let line = parse(arguments).unwrap_or_else(|error| panic!("{error}"));
    let (out, err) = (Written::default(), Written::default());
    let streams = Streams {
        input: Box::new(Cursor::new(input.to_vec())),
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
    };
    let code = cli::run(line.command, line.globals, streams).await;
    Ended {
        code,
        out: out.text(),
        err: err.text(),
    }
}
