//! Calls with rows of tables.

use fengqiao_hub::clock::Contact;
use fengqiao_hub::id::Hash;
use fengqiao_hub::jurisdiction::Division;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::import_service_server::ImportService;
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{Desk, answer, asked};
use crate::app::resolve::{Names, resolve};
use crate::app::texts::request_id;
use crate::desk::error::status;
use crate::engine::{Administration, Caller, CaseMove, CaseRow, TableRows};

/// Registrations of one call.
const CASES_MAX: usize = 500;
/// Their bytes together: with all that is written beside them they are one record.
const CASES_BYTES_MAX: usize = 1 << 20;

#[tonic::async_trait]
impl ImportService for Desk {
    async fn import_cases(
        &self,
        request: Request<pb::ImportCasesRequest>,
    ) -> Result<Response<pb::ImportCasesResponse>, Status> {
        let caller = self.caller(&request)?;
        let message = request.into_inner();
        let too_much =
            |limit: usize| status(&Refusal::of(Code::TooLong, "rows").because(limit.to_string()));
        if message.rows.len() > CASES_MAX {
            return Err(too_much(CASES_MAX));
        }
        if message.encoded_len() > CASES_BYTES_MAX {
            return Err(too_much(CASES_BYTES_MAX));
        }
        let mut rows = Vec::with_capacity(message.rows.len());
        for row in message.rows {
            rows.push(CaseRow {
                request_id: row.request_id.clone(),
                asked: asked("import", &row),
                what: self.registration(row),
            });
        }
        let judge_only = message.judge_only;
        self.import_rows(caller, TableRows::Cases { rows, judge_only })
            .await
    }

    async fn import_places(
        &self,
        request: Request<pb::ImportPlacesRequest>,
    ) -> Result<Response<pb::ImportPlacesResponse>, Status> {
        let caller = self.caller(&request)?;
        let message = request.into_inner();
        let rows = message.rows.into_iter().map(|row| Division {
            code: row.code,
            name: row.name,
            level: row.level,
        });
        let rows = TableRows::Places {
            rows: rows.collect(),
            judge_only: message.judge_only,
            partial: message.partial,
        };
        self.import_rows(caller, rows).await
    }
}

impl Desk {
    /// What a row registers, by the checks that a single registration passes.
    fn registration(&self, row: pb::ActRequest) -> Result<CaseMove, Refusal> {
        request_id(&row.request_id)?;
        let action = row
            .action
            .ok_or_else(|| Refusal::of(Code::Empty, "action"))?;
        let registry = self.registry();
        let rules = self.node().rules();
        let names = Names {
            registry: &registry,
            rulebook: &rules,
            place: self.node().me.at.place,
            tree: None,
            now_ms: self.node().clock.now().0,
        };
        let resolved = resolve(&action, row.texts, &names)?;
        Ok(CaseMove {
            case: None,
            action: resolved.action,
            content: resolved.content,
            linked: self.linked(&registry),
            contact: Contact::Here,
        })
    }

    async fn import_rows<R: prost::Message + Default>(
        &self,
        caller: Caller,
        rows: TableRows,
    ) -> Result<Response<R>, Status> {
        // The call itself has no id: each row has one, or is compared with what stands.
        let what = Administration::ImportRows(rows);
        let node = self.node();
        answer(
            node.administer(String::new(), Hash::default(), caller, what)
                .await,
        )
    }
}
