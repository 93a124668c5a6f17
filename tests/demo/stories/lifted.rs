//! (c) What a village cannot settle: offered up and taken twice, decided at the county, and the decision comes down to a
//! machine that was killed in between.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::failed::Done;
use fengqiao_tests::kit::moves;

use super::{At, Play, count_of, ms, until};

const DECISION: &str = "按1986年登记的界址恢复，费用由镇里承担。";
const DUE: &str = "2023-03-31T17:30:00+08:00";

pub(super) async fn play(play: &mut Play<'_>) -> Done<()> {
    play.tale.begin(
        'c',
        "地界之争：逐级上报，决定下达",
        "A boundary the village cannot settle: twice up, and the decision comes down",
    );
    let case = lift(play).await?;
    decide(play, &case).await?;
    start_again(play, &case).await
}

async fn lift(play: &mut Play<'_>) -> Done<String> {
    play.on("2023-03-06T09:00:00+08:00")?;
    let register = pb::Register {
        requester: Some(pb::Requester {
            name: "汪大爷".to_owned(),
            ..Default::default()
        }),
        ..moves::intake(pb::Channel::Window, "land-boundary")
    };
    let case = play
        .take_in(At::Wangjia, register, "两家宅基地界石被挪动，各执一词。")
        .await?;
    play.tale.say(
        At::Wangjia,
        "两户争宅基地界，村里调解不成",
        "two families quarrel over a boundary stone; the village cannot settle it",
    );
    let steps = [
        (
            At::Wangjia,
            At::Zhengjiazhai,
            "上报郑家寨镇，镇里收件",
            "offers it up; the town takes it",
        ),
        (
            At::Zhengjiazhai,
            At::Lingcheng,
            "再上报陵城区，区里收件",
            "offers it up again; the district takes it",
        ),
    ];
    for (offers, (from, to, chinese, english)) in (1..).zip(steps) {
        let escalate = moves::escalate();
        play.act(
            from,
            "clerk",
            &case,
            escalate,
            &[("reason", "证据不一，超出本级权限。")],
        )
        .await?;
        play.await_case(to, &case, "the offer has arrived", |view| {
            count_of(view, "escalate") == offers
        })
        .await?;
        take_offered(play, from, to, &case).await?;
        play.tale.say(from, chinese, english);
    }
    let seen = play.seen(At::Lingcheng, &case).await?;
    let is_so = count_of(&seen, "take") == 2 && seen.custodian_name == At::Lingcheng.name()?;
    play.tale.fact(
        is_so,
        "两次上报、两次收件，现由陵城区负责",
        "offered twice, taken twice; the district is responsible now",
    );
    Ok(case)
}

/// The tier above answers the offer by taking the case, and the one below learns it.
async fn take_offered(play: &Play<'_>, from: At, to: At, case: &str) -> Done<()> {
    let take = moves::take();
    play.act(to, "clerk", case, take, &[("reason", "同意收件。")])
        .await?;
    let taker = to.name()?;
    play.await_case(from, case, "the taking has come back", |view| {
        view.custodian_name == taker
    })
    .await
    .map(|_| ())
}

async fn decide(play: &mut Play<'_>, case: &str) -> Done<()> {
    play.on("2023-03-07T10:00:00+08:00")?;
    play.scene.node_mut(At::Wangjia).kill()?;
    play.scene.await_link(At::Wangjia, false).await?;
    play.tale.say(
        At::Wangjia,
        "村里机器突然断电（进程被 SIGKILL）",
        "the village's machine loses power (its process is killed by SIGKILL)",
    );
    play.act(
        At::Lingcheng,
        "leader",
        case,
        moves::decide(),
        &[("text", DECISION)],
    )
    .await?;
    let dispatch = |at: At, due_ms| moves::dispatch(at.code(), due_ms);
    play.act(
        At::Lingcheng,
        "clerk",
        case,
        dispatch(At::Zhengjiazhai, ms(DUE)?),
        &[],
    )
    .await?;
    play.tale.say(
        At::Lingcheng,
        "区里作出决定，派往郑家寨镇",
        "the district decides and dispatches to the town",
    );
    let town = At::Zhengjiazhai.name()?;
    play.await_case(At::Zhengjiazhai, case, "the dispatch has arrived", |view| {
        view.custodian_name == town && view.stage == "dispatched"
    })
    .await?;
    play.act(At::Zhengjiazhai, "clerk", case, moves::sign_for(), &[])
        .await?;
    play.act(
        At::Zhengjiazhai,
        "clerk",
        case,
        dispatch(At::Wangjia, ms(DUE)?),
        &[],
    )
    .await?;
    play.tale.say(
        At::Zhengjiazhai,
        "镇里签收，再派往村里；村里此时无人应答",
        "the town signs for it and dispatches to the village, which does not answer",
    );
    let status = play
        .scene
        .node(At::Zhengjiazhai)
        .status()
        .await
        .unwrap_or_default();
    let village = At::Wangjia.name()?;
    let owed = status
        .links
        .iter()
        .find(|link| link.name == village)
        .map_or(0, |link| link.owed);
    play.tale.fact(
        owed > 0,
        "决定在镇里等着，一条不丢",
        "the decision waits at the town for the village",
    );
    Ok(())
}

async fn start_again(play: &mut Play<'_>, case: &str) -> Done<()> {
    play.on("2023-03-08T08:30:00+08:00")?;
    play.scene.node_mut(At::Wangjia).start().await?;
    play.scene.await_link(At::Wangjia, true).await?;
    play.tale.say(
        At::Wangjia,
        "来电，机器重启，自己连上镇里",
        "power returns; the machine starts again and dials the town by itself",
    );
    let name = At::Wangjia.name()?;
    play.await_case(At::Wangjia, case, "the decision has arrived", |view| {
        view.custodian_name == name && view.stage == "dispatched"
    })
    .await?;
    let village = play.scene.node(At::Wangjia);
    let seen = village.case_with_texts(case).await.unwrap_or_default();
    let decided = seen.entries.iter().find(|entry| entry.r#move == "decide");
    let is_shown =
        decided.is_some_and(|entry| entry.texts.iter().any(|text| text.text == DECISION));
    let boot = until("the village's status", async || Ok(village.status().await))
        .await?
        .boot;
    play.tale.fact(
        is_shown && boot == 2,
        "重启后的村里看到区里的决定全文",
        "the village, started again, shows the district's decision in full",
    );
    play.act(At::Wangjia, "clerk", case, moves::sign_for(), &[])
        .await?;
    play.tale.say(
        At::Wangjia,
        "签收，按决定办理；此件留在办理中，您可以接着办",
        "signs for it and carries it out; this one stays open, for you to go on with",
    );
    play.scene.settle().await
}
