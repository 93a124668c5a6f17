//! (d) Overdue and dark: the county takes the case while the township cannot be reached; what the township did meanwhile
//! turns up as annex and is adopted.

use fengqiao_hub::case::Running;
use fengqiao_hub::casework::supervision::warning_id;
use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::failed::{Done, Failed};
use fengqiao_tests::kit::folder::holding;
use fengqiao_tests::kit::moves;

use super::{At, Play, ms, until};

const UNIT: &str = "镇综合行政执法队";
const DUE: &str = "2023-03-12T17:30:00+08:00";

pub(super) async fn play(play: &mut Play<'_>) -> Done<()> {
    play.tale.begin(
        'd',
        "超期与失联：区里接办，镇里补报",
        "Overdue and dark: the district takes over, the town's late work is not lost",
    );
    let case = dispatch(play).await?;
    run_out(play, &case).await?;
    take(play, &case).await?;
    adopt(play, &case).await
}

async fn dispatch(play: &mut Play<'_>) -> Done<String> {
    play.on("2023-03-09T09:00:00+08:00")?;
    let register = pb::Register {
        requester: Some(pb::Requester {
            name: "赵女士".to_owned(),
            ..Default::default()
        }),
        ..moves::intake(pb::Channel::Window, "urban-roads")
    };
    let case = play
        .take_in(
            At::Zhengjiazhai,
            register,
            "村口小桥护栏断了一截，孩子上学要走。",
        )
        .await?;
    let lead = moves::dispatch_to_unit(UNIT, ms(DUE)?);
    play.act(At::Zhengjiazhai, "clerk", &case, lead, &[])
        .await?;
    play.act(At::Zhengjiazhai, "zhifa", &case, moves::sign_for(), &[])
        .await?;
    play.tale.say(
        At::Zhengjiazhai,
        "桥栏损坏，派给镇执法队，3月12日17:30到期",
        "a broken bridge railing goes to the town's unit, due on 12 March at 17:30",
    );
    play.scene.settle().await?;
    play.scene.cut(At::Zhengjiazhai).await?;
    play.tale.say(
        At::Zhengjiazhai,
        "链路中断，镇里失联",
        "its link is cut; the town is dark",
    );
    Ok(case)
}

/// The clock runs out; the county finds it by itself.
async fn run_out(play: &mut Play<'_>, case: &str) -> Done<()> {
    let before = play.seen(At::Lingcheng, case).await?;
    let early = warned(play, At::Lingcheng, &before.custodian, case)?;
    play.tale.fact(
        before.lamp != "red" && !early,
        "到期之前：区里亮灯不红，无红牌",
        "before the due time: no red lamp and no warning at the district",
    );
    play.on("2023-03-12T17:30:01+08:00")?;
    let seen = play
        .await_case(At::Lingcheng, case, "the lamp is red", |view| {
            view.lamp == "red"
        })
        .await?;
    let found = until(
        "the red warning stands in the district's ledger",
        async || Ok(warned(play, At::Lingcheng, &before.custodian, case)?.then_some(())),
    );
    found.await?;
    play.tale.say(
        At::Lingcheng,
        "不等镇里联系，到点亮红灯，红牌记入区里督办台账",
        "hears nothing and turns red on time; the red warning goes into its own ledger",
    );
    let below = play.seen(At::Zhengjiazhai, case).await?;
    let is_so = seen.custodian_name == At::Zhengjiazhai.name()? && below.lamp == "red";
    play.tale.fact(
        is_so,
        "断链两边同一时刻变红；责任仍在镇里",
        "both sides of the cut turn red alike; the town is still responsible",
    );
    Ok(())
}

async fn take(play: &mut Play<'_>, case: &str) -> Done<()> {
    play.on("2023-03-14T09:00:00+08:00")?;
    let take = moves::take_because(pb::TakingReason::Overdue);
    play.act(
        At::Lingcheng,
        "leader",
        case,
        take,
        &[("reason", "超期且联系不上，由区里接办。")],
    )
    .await?;
    play.tale.say(
        At::Lingcheng,
        "超过宽限，区领导接办",
        "past the grace, a leader of the district takes the case",
    );
    play.on("2023-03-14T11:00:00+08:00")?;
    let contact = moves::contact();
    play.act(At::Zhengjiazhai, "zhifa", case, contact, &[])
        .await?;
    let action = moves::take_action();
    play.act(
        At::Zhengjiazhai,
        "zhifa",
        case,
        action,
        &[("evidence", "护栏已焊接加固，刷漆完毕。")],
    )
    .await?;
    play.tale.say(
        At::Zhengjiazhai,
        "尚不知已被接办，联系群众并修好护栏",
        "does not know yet; speaks to the resident and mends the railing",
    );
    let here = play.seen(At::Zhengjiazhai, case).await?;
    let there = play.seen(At::Lingcheng, case).await?;
    let is_so = here.custodian_name == At::Zhengjiazhai.name()?
        && there.custodian_name == At::Lingcheng.name()?;
    play.tale.fact(
        is_so,
        "断链时两边各记各的，上级的接办为准",
        "while cut each side writes what it knows; the superior's act will stand",
    );
    Ok(())
}

async fn adopt(play: &mut Play<'_>, case: &str) -> Done<()> {
    play.on("2023-03-15T09:00:00+08:00")?;
    play.scene.heal(At::Zhengjiazhai).await?;
    play.tale.say(
        At::Zhengjiazhai,
        "链路恢复，迟到的工作送达区里",
        "the link heals; the late work reaches the district",
    );
    let seen = play
        .await_case(At::Lingcheng, case, "the annex has arrived", |view| {
            view.annex.len() == 2
        })
        .await?;
    let open = seen.annex.iter().all(|entry| entry.annex_state == "open");
    let moves: Vec<&str> = seen
        .annex
        .iter()
        .map(|entry| entry.r#move.as_str())
        .collect();
    play.tale.fact(
        open && moves.contains(&"contact") && moves.contains(&"take-action"),
        "镇里的两件工作列为附录，不丢不混",
        "the town's two entries are annex: not lost, not mixed in",
    );
    for entry in &seen.annex {
        let adopt = moves::adopt_annex(&entry.hash);
        play.act(At::Lingcheng, "clerk", case, adopt, &[]).await?;
    }
    play.tale.say(
        At::Lingcheng,
        "认可镇里所做，列入办理",
        "adopts what the town did",
    );
    play.reply(At::Lingcheng, "clerk", case, "护栏已由镇里修复，区里核实。")
        .await?;
    play.visit_and_close(At::Lingcheng, case, 4).await?;
    play.tale.say(
        At::Lingcheng,
        "回访满意，区里办结",
        "visits, rated 4, closes",
    );
    play.scene.settle().await?;
    let below = play.seen(At::Zhengjiazhai, case).await?;
    let adopted = below
        .annex
        .iter()
        .filter(|entry| entry.annex_state == "adopted")
        .count();
    let is_so =
        below.stage == "closed" && below.custodian_name == At::Lingcheng.name()? && adopted == 2;
    play.tale.fact(
        is_so,
        "镇里看到：已由区里接办并办结，所做已被认可",
        "the town sees: taken, closed, and its work adopted",
    );
    Ok(())
}

/// Whether the red warning for this case's clock stands in a node's journal: its id is a hash that stands nowhere else.
fn warned(play: &Play<'_>, at: At, responsible: &str, case: &str) -> Done<bool> {
    let unread = || Failed::new("DEMO_CASE", "a case id does not read", "编号有误");
    let id = fengqiao_node::app::resolve::case_id(case).ok_or_else(unread)?;
    let running = Running {
        due: Moment(ms(DUE)?),
        clock: "handling".to_owned(),
        place: responsible.parse().map_err(|_| unread())?,
        unit: Some(play.scene.town_unit.parse().map_err(|_| unread())?),
        amber_ms: 0,
        red_ms: 0,
        grace_ms: 0,
        calendar_year_missing: 0,
    };
    let warning = warning_id(id, &running);
    let found = holding(&play.scene.node(at).folder().join("journal"), &warning.0);
    let found =
        found.map_err(|error| Failed::new("DEMO_FOLDER", error.to_string(), "日志无法读取"))?;
    Ok(!found.is_empty())
}
