//! (b) Settled where it began: above, a notice while it is open and a count afterwards, and no readable word of it.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::failed::{Done, Failed};
use fengqiao_tests::kit::folder::holding;
use fengqiao_tests::kit::moves;

use super::{At, Play};

const CLASS: &str = "disputes-neighbours";
const NAME: &str = "张桂兰";
const PHONE: &str = "0534-0000002";
const TEXT: &str = "楼上漏水泡坏了天花板，两家吵了半个月。";
const MEDIATED: &str = "网格员上门调解，双方商定由楼上负责修补。";
const REPLY: &str = "天花板已修好，双方握手言和。";
/// What must not be found readable in any file of any node, the village's own included.
const WORDS: [&str; 5] = [NAME, PHONE, TEXT, MEDIATED, REPLY];

pub(super) async fn play(play: &mut Play<'_>) -> Done<()> {
    play.tale.begin(
        'b',
        "邻里纠纷：小事不出村",
        "A quarrel between neighbours, settled where it began",
    );
    let case = open(play).await?;
    close(play, &case).await?;
    stays_sealed(play, &case).await
}

async fn open(play: &mut Play<'_>) -> Done<String> {
    play.on("2023-03-03T09:00:00+08:00")?;
    let register = pb::Register {
        requester: Some(pb::Requester {
            name: NAME.to_owned(),
            phone: PHONE.to_owned(),
            address: String::new(),
        }),
        ..moves::intake(pb::Channel::GridWorker, CLASS)
    };
    let case = play.take_in(At::Xinzhuang, register, TEXT).await?;
    play.tale.say(
        At::Xinzhuang,
        "网格员带来一起邻里纠纷，社区登记受理",
        "a grid worker brings in a quarrel between neighbours; the community takes it on",
    );
    play.scene.settle().await?;
    let mut notices = 0;
    for above in [At::Decheng, At::City] {
        let listed = play.scene.node(above).open_cases().await?;
        notices += listed
            .iter()
            .filter(|view| view.case == case && view.notice_only)
            .count();
    }
    play.tale.fact(
        notices == 2,
        "区、市只见摘要（编号、类别、阶段），无文字无姓名",
        "district and city hold a notice only: number, class, stage; no text, no name",
    );
    let refused = play.scene.node(At::Xinhua).case_with_texts(&case).await;
    play.tale.fact(
        refused.is_err_and(|code| code == "TEXT_SEALED"),
        "街道只有密封副本，看不到内容",
        "the sub-district has a sealed copy and may not read it",
    );
    Ok(case)
}

async fn close(play: &mut Play<'_>, case: &str) -> Done<()> {
    play.on("2023-03-03T16:00:00+08:00")?;
    play.act(
        At::Xinzhuang,
        "clerk",
        case,
        moves::take_action(),
        &[("evidence", MEDIATED)],
    )
    .await?;
    play.reply(At::Xinzhuang, "clerk", case, REPLY).await?;
    play.on("2023-03-04T09:00:00+08:00")?;
    play.visit_and_close(At::Xinzhuang, case, 5).await?;
    play.tale.say(
        At::Xinzhuang,
        "调解成功，回访满意，社区办结",
        "settled, visited, closed by the community",
    );
    play.scene.settle().await?;
    let mut still_listed = 0;
    for above in [At::Xinhua, At::Decheng, At::City] {
        let listed = play.scene.node(above).open_cases().await?;
        still_listed += listed.iter().filter(|view| view.case == case).count();
    }
    let city = play.scene.node(At::City);
    let counted = (
        city.count(CLASS, "register").await?,
        city.count(CLASS, "close.outcome_solved").await?,
    );
    play.tale.fact(
        still_listed == 0 && counted == (1, 1),
        "上级在办清单中不再有此件，只剩一个数：登记1、解决1",
        "no tier above lists it any more; a count remains: 1 registered, 1 solved",
    );
    Ok(())
}

/// The control first: the search finds what is no secret, and the village itself can read its case.
async fn stays_sealed(play: &mut Play<'_>, case: &str) -> Done<()> {
    let village = play.scene.node(At::Xinzhuang);
    let own = village.case_with_texts(case).await.unwrap_or_default();
    let shown: Vec<&str> = own
        .entries
        .iter()
        .flat_map(|entry| &entry.texts)
        .map(|text| text.text.as_str())
        .collect();
    let reads_all = WORDS
        .iter()
        .all(|word| shown.iter().any(|text| text.contains(word)));
    play.tale.fact(
        reads_all,
        "社区自己能看到全文",
        "the community itself reads every word",
    );
    let found = holding(village.folder(), own.number.as_bytes()).map_err(unreadable)?;
    let control = found
        .iter()
        .any(|file| file.starts_with(village.folder().join("journal")));
    let mut leaks = Vec::new();
    for node in play.scene.nodes() {
        for path in [node.folder(), &node.node.log] {
            for word in WORDS {
                leaks.extend(holding(path, word.as_bytes()).map_err(unreadable)?);
            }
        }
    }
    let english = format!(
        "searched byte by byte: no word of it in any file or log of the {} nodes ({} leaks)",
        play.scene.nodes().len(),
        leaks.len()
    );
    play.tale.fact(
        control && leaks.is_empty(),
        "逐字节搜索全部节点的文件与日志：无一字可读",
        &english,
    );
    Ok(())
}

fn unreadable(error: std::io::Error) -> Failed {
    Failed::new("DEMO_FOLDER", error.to_string(), "文件无法读取")
}
