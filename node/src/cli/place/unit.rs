//! `fengqiao unit …`: the departments and organisations that work in this centre.

use clap::{Args, Subcommand};
use fengqiao_proto::v1 as pb;
use serde_json::json;

use super::super::Context;
use super::super::failure::{Call, Failure};
use super::super::json::listed;
use super::super::output::table;
use super::super::words::{UnitKind, UnitPresence, kind_chinese};
use super::super::write::WriteArgs;

/// What is done with units.
#[derive(Debug, Subcommand)]
pub enum UnitCommand {
    /// Add a unit of this centre (增加)
    Add(UnitAddArgs),
    /// Give a unit another name; cases and accounts stay with it (改名)
    Rename(RenameArgs),
    /// End a unit for which nobody has an open account any more; what it did stands (撤销)
    End(EndArgs),
    /// List the units of this centre (列表)
    List(ListArgs),
}

/// Arguments of `unit add`.
#[derive(Debug, Args)]
pub struct UnitAddArgs {
    /// Name, 1 to 64 characters
    name: String,
    /// Kind
    #[arg(long, value_enum, default_value_t = UnitKind::Department)]
    kind: UnitKind,
    /// Whether it is in the hall every day or by rota
    #[arg(long, value_enum, default_value_t = UnitPresence::Resident)]
    presence: UnitPresence,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `unit rename`.
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// Unit: id or name
    unit: String,
    /// Name from now on, 1 to 64 characters
    name: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `unit end`.
#[derive(Debug, Args)]
pub struct EndArgs {
    /// Unit: id or name
    unit: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `unit list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Those that have ended too
    #[arg(long)]
    ended: bool,
}

impl UnitCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Add(args) => args.run(context).await,
            Self::Rename(args) => args.run(context).await,
            Self::End(args) => args.run(context).await,
            Self::List(args) => args.run(context).await,
        }
    }
}

impl UnitAddArgs {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let name = self.name.clone();
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::AddUnitRequest {
            request_id,
            name: self.name,
            kind: self.kind.into(),
            presence: self.presence.into(),
        })?;
        let mut client = context.node().await?;
        let added = context.call(&call, client.add_unit(request)).await?;
        context.answer(
            || format!("unit 单位  {} {name}\n", added.unit),
            || json!({ "unit": added.unit, "name": name }),
        )
    }
}

impl RenameArgs {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::RenameUnitRequest {
            request_id,
            unit: self.unit.clone(),
            name: self.name,
        })?;
        let mut client = context.node().await?;
        let renamed = context.call(&call, client.rename_unit(request)).await?;
        context.answer(
            || format!("renamed 已改名  {} -> {}\n", self.unit, renamed.name),
            || json!({ "unit": self.unit, "name": renamed.name }),
        )
    }
}

impl EndArgs {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::EndUnitRequest {
            request_id,
            unit: self.unit.clone(),
        })?;
        let mut client = context.node().await?;
        context.call(&call, client.end_unit(request)).await?;
        context.answer(
            || format!("ended 已撤销  {}\n", self.unit),
            || json!({ "unit": self.unit, "ended": true }),
        )
    }
}

impl ListArgs {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.request(pb::ListPlacesRequest {})?;
        let mut client = context.node().await?;
        let known = context.call(&Call::Read, client.list_places(request));
        let mut units = known.await?.units;
        units.retain(|unit| self.ended || !unit.ended);
        context.answer(
            || units_text(&units),
            || json!({ "units": listed("UnitView", &units) }),
        )
    }
}

pub(super) fn units_text(units: &[pb::UnitView]) -> String {
    let rows: Vec<Vec<String>> = units
        .iter()
        .map(|unit| {
            let presence = match unit.presence() {
                pb::UnitPresence::Rotating => "rotating 轮驻",
                pb::UnitPresence::Resident => "resident 常驻",
                pb::UnitPresence::Unspecified => "-",
            };
            let kind = format!("{} {}", kind_word(unit), kind_chinese(unit.kind()));
            let name = if unit.ended {
                format!("{} (ended 已撤销)", unit.name)
            } else {
                unit.name.clone()
            };
            vec![name, kind, presence.to_owned(), unit.unit.clone()]
        })
        .collect();
    table(
        &["UNIT 单位", "KIND 类型", "PRESENCE 进驻", "UNIT ID"],
        &rows,
    )
}

fn kind_word(unit: &pb::UnitView) -> String {
    unit.kind()
        .as_str_name()
        .trim_start_matches("UNIT_KIND_")
        .to_ascii_lowercase()
        .replace('_', "-")
}
