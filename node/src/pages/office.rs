//! The desk of the same process, asked as one account: the same calls, checks and refusals as by gRPC, without a wire.

use std::sync::Arc;

use fengqiao_proto::v1 as pb;
use pb::casework_service_server::CaseworkService as _;
use pb::node_service_server::NodeService as _;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status};

use crate::desk::LOGIN_KEY;
use crate::desk::error::{Told, told};
use crate::desk::service::Desk;
use crate::node::hosted::Hosted;

/// The desk as one account.
#[derive(Debug)]
pub(super) struct Office {
    desk: Desk,
    /// `None` is a login that no account can have.
    login: Option<MetadataValue<Ascii>>,
}

type Answer<T> = Result<T, Told>;

/// What a status says to people; what is no refusal is said in words of its own.
fn refused(status: &Status) -> Told {
    told(status).unwrap_or_else(|| Told {
        code: "INTERNAL".to_owned(),
        field: String::new(),
        english: "The node could not do this. Tell the administrator; the log has the reason."
            .to_owned(),
        chinese: "系统未能完成该操作，请联系管理员查看运行日志。".to_owned(),
        retry_after: None,
    })
}

impl Office {
    pub(super) fn of(hosted: &Arc<Hosted>, login: &str) -> Self {
        Self {
            desk: Desk {
                hosted: Arc::clone(hosted),
                trusted: true,
            },
            login: MetadataValue::try_from(login).ok(),
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        // An empty login is nobody's; without any the socket's rule would make an administrator of it.
        let login = self.login.clone();
        let login = login.unwrap_or_else(|| MetadataValue::from_static(""));
        request.metadata_mut().insert(LOGIN_KEY, login);
        request
    }

    /// A case by number or id.
    pub(super) async fn case(&self, case: &str, show_texts: bool) -> Answer<pb::CaseView> {
        let wanted = pb::GetCaseRequest {
            case: case.to_owned(),
            show_texts,
            ..Default::default()
        };
        let found = self.desk.get_case(self.request(wanted)).await;
        let found = found.map_err(|status| refused(&status))?;
        Ok(found.into_inner().case.unwrap_or_default())
    }

    /// Does something with a case, or registers one.
    pub(super) async fn act(&self, wanted: pb::ActRequest) -> Answer<pb::ActResponse> {
        let done = self.desk.act(self.request(wanted)).await;
        Ok(done.map_err(|status| refused(&status))?.into_inner())
    }

    /// A page of cases.
    pub(super) async fn cases(
        &self,
        wanted: pb::ListCasesRequest,
    ) -> Answer<pb::ListCasesResponse> {
        let page = self.desk.list_cases(self.request(wanted)).await;
        Ok(page.map_err(|status| refused(&status))?.into_inner())
    }

    /// Directives, with who acknowledged.
    pub(super) async fn directives(&self) -> Answer<Vec<pb::DirectiveView>> {
        let wanted = self.request(pb::ListDirectivesRequest {});
        let listed = self.desk.list_directives(wanted).await;
        let listed = listed.map_err(|status| refused(&status))?;
        Ok(listed.into_inner().directives)
    }

    /// Acknowledges a directive or reports its execution.
    pub(super) async fn answer_directive(&self, wanted: pb::AnswerDirectiveRequest) -> Answer<()> {
        let done = self.desk.answer_directive(self.request(wanted)).await;
        done.map(|_| ()).map_err(|status| refused(&status))
    }

    /// How the node is.
    pub(super) async fn status(&self) -> Answer<pb::GetStatusResponse> {
        let status = self
            .desk
            .get_status(self.request(pb::GetStatusRequest {}))
            .await;
        Ok(status.map_err(|status| refused(&status))?.into_inner())
    }
}
