//! `fengqiao status` and `fengqiao digest`: how the node and its links are.

use clap::Args;
use fengqiao_proto::v1 as pb;
use serde_json::{Value, json};

use super::Context;
use super::failure::{Call, Failure};
use super::json::{self, or_null};
use super::output::{list, or_dash, table, time};
use super::words::calendar_warning;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {}

/// Arguments of `digest`.
#[derive(Debug, Args)]
pub struct DigestArgs {
    /// Also list every chain and notice held (always in JSON)
    #[arg(long)]
    heads: bool,
}

impl StatusArgs {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.request(pb::GetStatusRequest {})?;
        let mut client = context.node().await?;
        let status = context
            .call(&Call::Read, client.get_status(request))
            .await?;
        context.answer(
            || status_text(&status),
            || json::shown("GetStatusResponse", &status),
        )
    }
}

impl DigestArgs {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.request(pb::GetDigestRequest {})?;
        let mut client = context.node().await?;
        let digest = context
            .call(&Call::Read, client.get_digest(request))
            .await?;
        context.answer(|| digest_text(&digest, self.heads), || digest_json(&digest))
    }
}

fn status_text(status: &pb::GetStatusResponse) -> String {
    let mut text = list(&[
        ("place 地区", format!("{} {}", status.name, status.place)),
        ("node 节点", status.node.clone()),
        ("deployment 部署", status.deployment.clone()),
        ("level 层级", status.level.to_string()),
        ("incarnation 代次", status.incarnation.to_string()),
        ("starts 启动次数", status.boot.to_string()),
        ("rules 规则版本", or_dash(&status.rulebook)),
        ("cases 案卷", status.cases.to_string()),
        ("notices 摘要", status.notices.to_string()),
        ("entries 记录", status.entries.to_string()),
        ("parked 等待前件", status.parked.to_string()),
        ("submissions 待采纳", status.submissions.to_string()),
        (
            "journal 日志",
            format!("{} bytes, {} syncs", status.journal_bytes, status.syncs),
        ),
    ]);
    if status.read_only {
        text.push_str(
            "read-only 只读: the disk has too little room; nothing new is taken in until there is more / \
             磁盘空间不足，腾出空间之前不受理新的写入\n",
        );
    }
    if let Some(closed) = &status.closed {
        text.push_str(&trouble_text("closed 停止写入", closed));
    }
    text.push_str(&calendar_warning(status.calendar_year_missing).unwrap_or_default());
    if !status.links.is_empty() {
        text.push_str(&format!("\nLinks 链路\n{}", links_text(&status.links)));
    }
    for link in &status.links {
        if let Some(down) = &link.down {
            text.push_str(&trouble_text(&link.name, down));
        }
    }
    for link in status.links.iter().filter(|link| link.awaited) {
        text.push_str(&format!(
            "recovering 恢复中: waits for 等待 {} ({}) since 自 {}; without it 不再等待: fengqiao waive {}\n",
            link.name,
            link.link,
            time(link.awaited_since_ms),
            link.link
        ));
    }
    if !status.parked_items.is_empty() {
        let parked = parked_text(&status.parked_items);
        text.push_str(&format!("\nPut aside 暂存待判\n{parked}"));
    }
    if !status.alarms.is_empty() {
        text.push_str("\nAlarms 告警\n");
        for alarm in &status.alarms {
            text.push_str(&format!("{alarm}\n"));
        }
    }
    text
}

/// One line of what is so, one of what to do.
fn trouble_text(of: &str, trouble: &pb::Trouble) -> String {
    let pb::Trouble {
        code,
        english,
        chinese,
        to_do,
        to_do_chinese,
        ..
    } = trouble;
    format!("{of}: {code}: {english} / {chinese}\n  -> {to_do} / {to_do_chinese}\n")
}

fn links_text(links: &[pb::LinkStatus]) -> String {
    let rows: Vec<Vec<String>> = links
        .iter()
        .map(|link| {
            vec![
                link.name.clone(),
                link.direction.clone(),
                if link.connected {
                    "connected 已连接"
                } else {
                    "cut 断开"
                }
                .to_owned(),
                link.owed.to_string(),
                time(link.heard_ms),
                or_dash(&link.digest),
                link.skew_ms.to_string(),
            ]
        })
        .collect();
    let header = [
        "NEIGHBOUR 邻节点",
        "DIRECTION 方向",
        "STATE 状态",
        "OWED 待送",
        "HEARD 最近联系",
        "DIGEST 校验",
        "SKEW MS 时差",
    ];
    table(&header, &rows)
}

fn parked_text(parked: &[pb::ParkedItem]) -> String {
    let rows: Vec<Vec<String>> = parked
        .iter()
        .map(|item| {
            vec![
                kind_word(item),
                item.reason.clone(),
                or_dash(&item.chain),
                or_dash(&item.link),
            ]
        })
        .collect();
    table(
        &["KIND 种类", "REASON 原因", "CHAIN 链", "FROM 来自"],
        &rows,
    )
}

fn kind_word(item: &pb::ParkedItem) -> String {
    let name = item.kind().as_str_name();
    name.trim_start_matches("ITEM_KIND_").to_lowercase()
}

fn digest_text(digest: &pb::GetDigestResponse, heads: bool) -> String {
    let mut text = list(&[
        ("cases 案卷", digest.cases.clone()),
        ("records checked 已校验", digest.records.to_string()),
        ("chains and notices 链", digest.heads.len().to_string()),
    ]);
    if !digest.links.is_empty() {
        let rows: Vec<Vec<String>> = digest
            .links
            .iter()
            .map(|link| {
                vec![
                    link.link.clone(),
                    link.chains.to_string(),
                    link.hash.clone(),
                ]
            })
            .collect();
        let header = ["NEIGHBOUR 邻节点", "CHAINS 链", "HASH"];
        text.push_str(&format!("\n{}", table(&header, &rows)));
    }
    if heads {
        let rows: Vec<Vec<String>> = digest
            .heads
            .iter()
            .map(|head| {
                vec![
                    head.number.clone(),
                    head.stage.clone(),
                    head.head.clone(),
                    if head.notice_only {
                        "notice 摘要"
                    } else {
                        ""
                    }
                    .to_owned(),
                ]
            })
            .collect();
        let header = ["NUMBER 编号", "STAGE 阶段", "HEAD", ""];
        text.push_str(&format!("\n{}", table(&header, &rows)));
    }
    text
}

fn digest_json(digest: &pb::GetDigestResponse) -> Value {
    let links: Vec<Value> = digest
        .links
        .iter()
        .map(|link| json!({ "link": link.link, "hash": link.hash, "chains": link.chains }))
        .collect();
    json!({
        "cases": digest.cases,
        "records": digest.records,
        "links": links,
        "heads": digest.heads.iter().map(head_json).collect::<Vec<_>>(),
    })
}

fn head_json(head: &pb::CaseDigest) -> Value {
    let outcome = i32::try_from(head.outcome)
        .ok()
        .and_then(|number| pb::Outcome::try_from(number).ok())
        .map(crate::desk::view::outcome_word)
        .unwrap_or_default();
    json!({
        "case": head.case,
        "head": head.head,
        "number": head.number,
        "stage": head.stage,
        "outcome": or_null(&outcome),
        "external_number": or_null(&head.external_number),
        "notice_only": head.notice_only,
    })
}
