//! `fengqiao place …`: the places directly below this one.

mod import;
mod unit;

use clap::{Args, Subcommand};
use fengqiao_proto::v1 as pb;
use serde_json::json;

use super::Context;
use super::failure::{Call, Failure};
use super::json::{self, or_null};
use super::output::{or_dash, table};
use super::words::parse_level;
use super::write::WriteArgs;
use unit::units_text;

pub(super) use unit::UnitCommand;

/// What is done with places.
#[derive(Debug, Subcommand)]
pub enum PlaceCommand {
    /// Add a place directly below this one (增加)
    Add(AddArgs),
    /// List places known here and the units of this centre (列表)
    List,
    /// Add the places directly below this one from a CSV file (导入)
    Import(import::ImportArgs),
    /// Give a place directly below another name or code; its cases and all below it stay (改名)
    Rename(RenameArgs),
    /// End a place directly below: its open cases go to its successor (撤并)
    End(EndArgs),
    /// Move a place below another parent: its open cases come back to it on their new way (调整隶属)
    Move(MoveArgs),
}

/// Arguments of `place add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Official name, 1 to 64 characters
    name: String,
    /// Tier: province, city, county, area, township, village, or its number
    #[arg(long, value_parser = parse_level)]
    level: u32,
    /// Official code, 2, 4, 6, 9 or 12 digits
    #[arg(long, default_value = "", hide_default_value = true)]
    code: String,
    /// Id to use, 16 characters; a new one if left out
    #[arg(long, default_value = "", hide_default_value = true)]
    id: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `place rename`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("called").required(true).multiple(true))]
pub struct RenameArgs {
    /// Place directly below: id, code or name
    place: String,
    /// Official name from now on; as before if left out
    #[arg(long, group = "called", default_value = "", hide_default_value = true)]
    name: String,
    /// Official code from now on, 2, 4, 6, 9 or 12 digits; as before if left out
    #[arg(long, group = "called", default_value = "", hide_default_value = true)]
    code: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `place end`.
#[derive(Debug, Args)]
pub struct EndArgs {
    /// Place that ends: id, code or name
    place: String,
    /// Place directly below this one that takes over: id, code or name
    #[arg(long, value_name = "PLACE")]
    successor: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `place move`.
#[derive(Debug, Args)]
pub struct MoveArgs {
    /// Place below this one: id, code or name
    place: String,
    /// New parent, this place or one below it: id, code or name
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// Enrol address of the new parent's node, by which the place's node finds it
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Official code from now on, 2, 4, 6, 9 or 12 digits; as before if left out
    #[arg(long, default_value = "", hide_default_value = true)]
    code: String,
    /// Official name from now on; as before if left out
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl PlaceCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Add(args) => args.run(context).await,
            Self::List => show(context).await,
            Self::Import(args) => args.run(context).await,
            Self::Rename(args) => args.run(context).await,
            Self::End(args) => args.run(context).await,
            Self::Move(args) => args.run(context).await,
        }
    }
}

impl RenameArgs {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::RenamePlaceRequest {
            request_id,
            place: self.place.clone(),
            name: self.name,
            code: self.code,
        })?;
        let mut client = context.node().await?;
        let renamed = context.call(&call, client.rename_place(request)).await?;
        context.answer(
            || {
                let called = format!("{} {}", renamed.name, renamed.code);
                format!("renamed 已改名  {} -> {}\n", self.place, called.trim_end())
            },
            || {
                json!({
                    "place": self.place,
                    "name": renamed.name,
                    "code": or_null(&renamed.code),
                })
            },
        )
    }
}

impl EndArgs {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::EndPlaceRequest {
            request_id,
            place: self.place.clone(),
            successor: self.successor.clone(),
        })?;
        let mut client = context.node().await?;
        context.call(&call, client.end_place(request)).await?;
        context.answer(
            || format!("ended 已撤并  {} -> {}\n", self.place, self.successor),
            || json!({ "place": self.place, "successor": self.successor, "ended": true }),
        )
    }
}

impl MoveArgs {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::MovePlaceRequest {
            request_id,
            place: self.place.clone(),
            to: self.to.clone(),
            code: self.code,
            name: self.name,
            address: self.address,
        })?;
        let mut client = context.node().await?;
        context.call(&call, client.move_place(request)).await?;
        context.answer(
            || format!("moved 已调整隶属  {} -> {}\n", self.place, self.to),
            || json!({ "place": self.place, "to": self.to, "moved": true }),
        )
    }
}

impl AddArgs {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let name = self.name.clone();
        let (request_id, call) = self.write.begin()?;
        let request = context.request(pb::AddPlaceRequest {
            request_id,
            code: self.code,
            name: self.name,
            level: self.level,
            place: self.id,
        })?;
        let mut client = context.node().await?;
        let added = context.call(&call, client.add_place(request)).await?;
        context.answer(
            || format!("place 地区  {} {name}\n", added.place),
            || json!({ "place": added.place, "name": name }),
        )
    }
}

async fn show(context: &Context) -> Result<(), Failure> {
    let request = context.request(pb::ListPlacesRequest {})?;
    let mut client = context.node().await?;
    let known = context
        .call(&Call::Read, client.list_places(request))
        .await?;
    context.answer(
        || places_text(&known),
        || {
            json!({
                "places": json::listed("PlaceView", &known.places),
                "units": json::listed("UnitView", &known.units),
            })
        },
    )
}

fn places_text(known: &pb::ListPlacesResponse) -> String {
    let rows: Vec<Vec<String>> = known
        .places
        .iter()
        .map(|place| {
            let name = if place.successor.is_empty() {
                place.name.clone()
            } else {
                format!("{} (ended 已撤并)", place.name)
            };
            vec![
                or_dash(&place.code),
                name,
                place.level.to_string(),
                place.place.clone(),
                or_dash(&place.node),
            ]
        })
        .collect();
    let mut text = table(
        &[
            "CODE 代码",
            "NAME 名称",
            "LEVEL 层级",
            "PLACE ID",
            "NODE 节点",
        ],
        &rows,
    );
    let standing: Vec<pb::UnitView> = known
        .units
        .iter()
        .filter(|unit| !unit.ended)
        .cloned()
        .collect();
    if !standing.is_empty() {
        text.push_str(&format!("\n{}", units_text(&standing)));
    }
    text
}
