//! The end of the demonstration: every case at every tier, every link from both its ends, compared.
//!
//! Digests come from the nodes, each computed from its own journal; nothing is compared with what this process believes.

use fengqiao_hub::case::Stage;
use fengqiao_node::cli::json::or_null;
use fengqiao_node::cli::output::{or_dash, table};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::failed::Done;
use serde_json::{Value, json};

use super::place::At;
use super::scene::Scene;
use super::tale::{Tale, Told};
use super::until;

/// One case as one node knows it.
#[derive(Debug)]
struct CaseRow {
    told: Told,
    at: At,
    view: pb::CaseView,
    /// The chain is here, but its texts may not be read here.
    is_sealed: bool,
}

/// One link from both ends.
#[derive(Debug)]
struct LinkRow {
    lower: At,
    upper: At,
    chains: u64,
    below: String,
    above: String,
}

impl LinkRow {
    fn is_equal(&self) -> bool {
        !self.below.is_empty() && self.below == self.above
    }
}

/// Every case at every node that knows it.
async fn cases(scene: &Scene, tale: &Tale) -> Done<Vec<CaseRow>> {
    let mut rows = Vec::new();
    for told in &tale.cases {
        for node in scene.nodes() {
            if let Some(view) = node.case(&told.case).await? {
                let texts = node.case_with_texts(&told.case).await;
                rows.push(CaseRow {
                    told: told.clone(),
                    at: node.at,
                    view,
                    is_sealed: texts.is_err_and(|code| code == "TEXT_SEALED"),
                });
            }
        }
    }
    Ok(rows)
}

/// What stands at the end.
#[derive(Debug, Default)]
pub(super) struct Report {
    cases: Vec<CaseRow>,
    links: Vec<LinkRow>,
}

impl Report {
    /// Asks every node; what differs is added to the tale.
    ///
    /// # Errors
    /// A node does not answer. A journal that does not read is a difference, not an error.
    pub(super) async fn take(scene: &Scene, tale: &mut Tale) -> Done<Self> {
        let mut report = Self::default();
        // Whom a node reaches is told once a second and link, so a lamp may lag behind by as much.
        let settled = until("every tier shows the same lamp", async || {
            report.cases = cases(scene, tale).await?;
            Ok(report.differences(tale).is_empty().then_some(()))
        });
        if let Err(failure) = settled.await
            && failure.code != "DEMO_STUCK"
        {
            return Err(failure);
        }
        tale.differences.extend(report.differences(tale));
        report.links = links(scene, tale).await;
        for link in report.links.iter().filter(|link| !link.is_equal()) {
            let (lower, upper) = (link.lower.english(), link.upper.english());
            tale.differences
                .push(format!("the digests of the link {lower} - {upper} differ"));
        }
        Ok(report)
    }

    /// Whoever knows a case knows the same of it.
    fn differences(&self, tale: &Tale) -> Vec<String> {
        let mut differences = Vec::new();
        for told in &tale.cases {
            let rows: Vec<_> = self
                .cases
                .iter()
                .filter(|row| row.told.case == told.case)
                .collect();
            let Some(first) = rows.first() else {
                differences.push(format!("nobody knows case {}", told.number));
                continue;
            };
            let same = |row: &CaseRow| {
                let of = |view: &pb::CaseView| {
                    (
                        view.head.clone(),
                        view.stage.clone(),
                        view.custodian.clone(),
                        view.lamp.clone(),
                    )
                };
                of(&row.view) == of(&first.view)
            };
            for row in rows.iter().filter(|row| !same(row)) {
                let (here, there) = (row.at.english(), first.at.english());
                differences.push(format!(
                    "case {} at {here} is not as at {there}",
                    told.number
                ));
            }
        }
        differences
    }

    /// The tables.
    pub(super) fn text(&self) -> String {
        let cells: Vec<_> = self.cases.iter().map(case_cells).collect();
        let header = [
            "层级 TIER",
            "地方 AT",
            "责任方 CUSTODIAN",
            "灯 LAMP",
            "阶段 STAGE",
            "回执 STORED",
            "所知 KNOWS",
            "链头 HEAD",
        ];
        let laid_out = table(&header, &cells);
        let mut lines = laid_out.lines();
        let mut text = format!("{}\n", lines.next().unwrap_or_default());
        let mut story = None;
        for (row, line) in self.cases.iter().zip(lines) {
            if story.replace(row.told.story) != Some(row.told.story) {
                text.push_str(&format!(
                    "({}) {} {}\n",
                    row.told.story, row.told.number, row.told.title
                ));
            }
            text.push_str(&format!("{line}\n"));
        }
        let links: Vec<_> = self.links.iter().map(link_cells).collect();
        let header = [
            "下级 LOWER",
            "上级 UPPER",
            "链数 CHAINS",
            "下级摘要 DIGEST BELOW",
            "上级摘要 DIGEST ABOVE",
            "相符 EQUAL",
        ];
        format!("{text}\n{}", table(&header, &links))
    }

    /// The same for programs.
    pub(super) fn json(&self) -> (Value, Value) {
        let cases: Vec<Value> = self.cases.iter().map(case_json).collect();
        let links: Vec<Value> = self.links.iter().map(link_json).collect();
        (cases.into(), links.into())
    }
}

async fn links(scene: &Scene, tale: &mut Tale) -> Vec<LinkRow> {
    let mut ends: Vec<(At, String, pb::GetDigestResponse)> = Vec::new();
    for node in scene.nodes() {
        let status = node.status().await.unwrap_or_default();
        let (id, here) = (status.node, node.at.english());
        for link in status
            .links
            .iter()
            .filter(|link| link.digest == "different")
        {
            tale.differences.push(format!(
                "a session between {here} and {} found different digests",
                link.name
            ));
        }
        let digest = match node.digest().await {
            Ok(digest) => digest,
            Err(failure) => {
                tale.differences.push(failure.english);
                pb::GetDigestResponse::default()
            }
        };
        ends.push((node.at, id, digest));
    }
    let end = |at: At| ends.iter().find(|(known, _, _)| *known == at);
    let toward = |at: At, other: At| {
        let (_, neighbour, _) = end(other)?;
        end(at)?.2.links.iter().find(|link| link.link == *neighbour)
    };
    let pairs = At::ALL
        .into_iter()
        .filter_map(|lower| Some((lower, lower.parent()?)));
    pairs
        .map(|(lower, upper)| {
            let (below, above) = (toward(lower, upper), toward(upper, lower));
            LinkRow {
                lower,
                upper,
                chains: below.or(above).map_or(0, |link| link.chains),
                below: below.map(|link| link.hash.clone()).unwrap_or_default(),
                above: above.map(|link| link.hash.clone()).unwrap_or_default(),
            }
        })
        .collect()
}

fn case_cells(row: &CaseRow) -> Vec<String> {
    let view = &row.view;
    vec![
        row.at.tier().to_owned(),
        row.at.name().unwrap_or_default().to_owned(),
        view.custodian_name.clone(),
        lamp(&view.lamp).to_owned(),
        stage(&view.stage),
        receipt(view).to_owned(),
        knows(row),
        view.head.chars().take(8).collect(),
    ]
}

fn link_cells(link: &LinkRow) -> Vec<String> {
    let short = |hash: &str| or_dash(hash.get(..16).unwrap_or(hash));
    vec![
        link.lower.name().unwrap_or_default().to_owned(),
        link.upper.name().unwrap_or_default().to_owned(),
        link.chains.to_string(),
        short(&link.below),
        short(&link.above),
        if link.is_equal() { "是 yes" } else { "否 NO" }.to_owned(),
    ]
}

fn lamp(word: &str) -> &'static str {
    match word {
        "green" => "绿 green",
        "amber" => "黄 amber",
        "red" => "红 red",
        "grey" => "灰 grey",
        _ => "-",
    }
}

fn stage(word: &str) -> String {
    let chinese = Stage::of_word(word).map_or("", Stage::chinese);
    format!("{chinese} {word}").trim().to_owned()
}

fn receipt(view: &pb::CaseView) -> &'static str {
    match view.standing() {
        pb::Standing::AtTop => "最上级 top",
        pb::Standing::AtParent => "上级 parent",
        pb::Standing::StoredHere => "本级 here",
        pb::Standing::Unspecified => "-",
    }
}

fn knows(row: &CaseRow) -> String {
    let view = &row.view;
    if view.notice_only {
        return "摘要 notice".to_owned();
    }
    let annex = match view.annex.len() {
        0 => String::new(),
        count => format!(" + 附录{count} annex"),
    };
    let sealed = if row.is_sealed { " 密封 sealed" } else { "" };
    format!("{}条 entries{annex}{sealed}", view.entries.len())
}

fn case_json(row: &CaseRow) -> Value {
    let view = &row.view;
    let annex: Vec<Value> = view
        .annex
        .iter()
        .map(
            |entry| json!({ "move": entry.r#move, "hash": entry.hash, "state": entry.annex_state }),
        )
        .collect();
    json!({
        "story": row.told.story.to_string(),
        "case": row.told.case,
        "number": row.told.number,
        "level": row.at.level(),
        "place": row.at.name().unwrap_or_default(),
        "code": row.at.code(),
        "custodian": view.custodian_name,
        "lamp": or_null(&view.lamp),
        "stage": view.stage,
        "outcome": or_null(&view.outcome),
        "stored": receipt(view).split(' ').next_back().filter(|word| *word != "-"),
        "notice_only": view.notice_only,
        "sealed": row.is_sealed,
        "entries": view.entries.len(),
        "annex": annex,
        "head": view.head,
    })
}

fn link_json(link: &LinkRow) -> Value {
    json!({
        "lower": link.lower.name().unwrap_or_default(),
        "upper": link.upper.name().unwrap_or_default(),
        "chains": link.chains,
        "digest_lower": or_null(&link.below),
        "digest_upper": or_null(&link.above),
        "equal": link.is_equal(),
    })
}
