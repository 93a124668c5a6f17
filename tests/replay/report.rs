//! What a replay came to, for people and for programs.

use std::time::Duration;

use fengqiao_proto::v1 as pb;
use serde_json::{Value, json};

use super::check::Checked;
use super::kills::Kills;
use super::plan::{Tier, Tree};
use super::rows::RefusedRow;

/// One tier's figures.
#[derive(Debug)]
pub(super) struct TierFigures {
    tier: Tier,
    nodes: usize,
    entries: u64,
    syncs: u64,
    journal_bytes: u64,
}

/// Everything that is told.
#[derive(Debug)]
pub(super) struct Report {
    /// File replayed.
    pub(super) file: String,
    /// Rows of it.
    pub(super) rows: usize,
    /// Rows that became cases.
    pub(super) accepted: usize,
    /// Rows that did not.
    pub(super) refused: Vec<RefusedRow>,
    /// Offers upwards.
    pub(super) escalations: u64,
    /// Acts answered.
    pub(super) acts: u64,
    /// Each tier, from the village up.
    pub(super) tiers: Vec<TierFigures>,
    /// Village to city, milliseconds, in order.
    pub(super) latencies_ms: Vec<f64>,
    /// SIGKILLs.
    pub(super) kills: Kills,
    /// The comparison.
    pub(super) checked: Checked,
    /// Making the tree.
    pub(super) built_in: Duration,
    /// From the first registration until nothing was owed any more.
    pub(super) replayed_in: Duration,
    /// Digests and comparison.
    pub(super) checked_in: Duration,
}

/// What each tier did between two looks at all nodes. Syncs are counted by process: those of killed ones are added.
pub(super) fn tier_figures(
    tree: &Tree,
    before: &[pb::GetStatusResponse],
    after: &[pb::GetStatusResponse],
    kills: &Kills,
) -> Vec<TierFigures> {
    let sum = |tier: Tier, read: fn(&pb::GetStatusResponse) -> u64, more: u64| {
        let of = |statuses: &[pb::GetStatusResponse]| {
            tree.of(tier)
                .filter_map(|place| statuses.get(place))
                .map(read)
                .sum::<u64>()
        };
        (of(after) + more).saturating_sub(of(before))
    };
    [Tier::Village, Tier::Township, Tier::County, Tier::City]
        .into_iter()
        .map(|tier| TierFigures {
            tier,
            nodes: tree.of(tier).count(),
            entries: sum(tier, |status| status.entries, 0),
            syncs: sum(
                tier,
                |status| status.syncs,
                if tier == Tier::County {
                    kills.syncs_before
                } else {
                    0
                },
            ),
            journal_bytes: sum(tier, |status| status.journal_bytes, 0),
        })
        .collect()
}

impl Report {
    /// Whether everything came out as the file says.
    pub(super) fn is_equal(&self) -> bool {
        self.checked.count == 0
    }

    fn latency_ms(&self, share: f64) -> Option<f64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list"
        )]
        let place = (self.latencies_ms.len().saturating_sub(1) as f64 * share).round() as usize;
        self.latencies_ms.get(place).copied()
    }

    fn a_second(&self, entries: u64) -> f64 {
        entries as f64 / self.replayed_in.as_secs_f64().max(0.001)
    }

    /// One object.
    pub(super) fn json(&self) -> Value {
        let (cpu, cores) = machine();
        json!({
            "result": if self.is_equal() { "equal" } else { "different" },
            "file": self.file,
            "rows": self.rows,
            "accepted": self.accepted,
            "refused": self.refused.iter().map(|row| json!({
                "line": row.line, "id": row.id, "code": row.code, "field": row.field,
            })).collect::<Vec<_>>(),
            "cases": self.accepted,
            "acts": self.acts,
            "escalations": self.escalations,
            "tiers": self.tiers.iter().map(|figures| json!({
                "tier": figures.tier.word(),
                "nodes": figures.nodes,
                "entries": figures.entries,
                "entries_per_second": rounded(self.a_second(figures.entries)),
                "syncs": figures.syncs,
                "journal_bytes": figures.journal_bytes,
            })).collect::<Vec<_>>(),
            "village_to_city_ms": {
                "samples": self.latencies_ms.len(),
                "p50": self.latency_ms(0.5).map(rounded),
                "p90": self.latency_ms(0.9).map(rounded),
                "p99": self.latency_ms(0.99).map(rounded),
                "max": self.latency_ms(1.0).map(rounded),
            },
            "kills": self.kills.killed.iter().map(|killed| json!({
                "cases_done": killed.done,
                "unacknowledged_from_below": killed.owed_from_below,
                "unacknowledged_from_above": killed.owed_from_above,
            })).collect::<Vec<_>>(),
            "compared": {
                "cases": self.checked.cases,
                "links": self.checked.links,
                "different": self.checked.count,
                "differences": self.checked.differences,
            },
            "seconds": {
                "build": rounded(self.built_in.as_secs_f64()),
                "replay": rounded(self.replayed_in.as_secs_f64()),
                "compare": rounded(self.checked_in.as_secs_f64()),
            },
            "machine": { "cpu": cpu, "cores": cores },
        })
    }

    /// The same for people.
    pub(super) fn text(&self) -> String {
        let (cpu, cores) = machine();
        let mut lines = vec![format!(
            "{}: {} rows 行 = {} accepted 受理 + {} refused 退回",
            self.file,
            self.rows,
            self.accepted,
            self.refused.len()
        )];
        let refused = self.refused.iter();
        lines.extend(refused.map(|row| {
            format!(
                "  line {}, id {}: {} ({})",
                row.line, row.id, row.code, row.field
            )
        }));
        lines.push(format!(
            "{} escalations 上报, {} acts 办理动作",
            self.escalations, self.acts
        ));
        lines.push(String::new());
        for figures in self.tiers.iter().rev() {
            lines.push(format!(
                "{:<9}{}  {:>4} nodes 节点  {:>8} entries 记录  {:>8.0}/s  {:>8} syncs 落盘  {:>11} bytes",
                figures.tier.word(),
                figures.tier.word_zh(),
                figures.nodes,
                figures.entries,
                self.a_second(figures.entries),
                figures.syncs,
                figures.journal_bytes,
            ));
        }
        lines.push(String::new());
        if let (Some(half), Some(most), Some(worst)) = (
            self.latency_ms(0.5),
            self.latency_ms(0.99),
            self.latency_ms(1.0),
        ) {
            lines.push(format!(
                "village to city 村到市: p50 {half:.1} ms, p99 {most:.1} ms, max {worst:.1} ms over {} escalations, under load",
                self.latencies_ms.len()
            ));
        }
        for (number, killed) in self.kills.killed.iter().enumerate() {
            lines.push(format!(
                "county killed 强杀县区进程 {}: after {} cases, unacknowledged {} from below and {} from above",
                number + 1,
                killed.done,
                killed.owed_from_below,
                killed.owed_from_above
            ));
        }
        lines.push(format!(
            "built in {:.1} s, replayed in {:.1} s, compared in {:.1} s on {cpu}, {cores} cores",
            self.built_in.as_secs_f64(),
            self.replayed_in.as_secs_f64(),
            self.checked_in.as_secs_f64()
        ));
        lines.push(format!(
            "compared with the file 与原始数据核对: {} cases at village and handler, {} links at both ends: {}",
            self.checked.cases,
            self.checked.links,
            if self.is_equal() { "all equal 全部一致".to_owned() } else { format!("{} differ 处不一致", self.checked.count) }
        ));
        lines.extend(
            self.checked
                .differences
                .iter()
                .map(|difference| format!("  {difference}")),
        );
        lines.join("\n")
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn machine() -> (String, usize) {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let cpu = line
        .and_then(|line| line.split_once(':'))
        .map_or("unknown", |(_, cpu)| cpu.trim());
    (
        cpu.to_owned(),
        std::thread::available_parallelism().map_or(0, usize::from),
    )
}
