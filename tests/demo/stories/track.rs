//! (a) One convenes, many act: a disused railway track across a road, and a link that is cut while the work is done.

use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::failed::Done;
use fengqiao_tests::kit::moves;

use super::{At, Play, count_of, ms};

const DUE: &str = "2023-03-03T17:30:00+08:00";
/// Tasks in the order of the convening.
const TASK_CHENGGUAN: u32 = 1;
const TASK_GONGAN: u32 = 2;
const TASK_DECHENG: u32 = 3;
const TASK_XINHUA: u32 = 4;

pub(super) async fn play(play: &mut Play<'_>) -> Done<()> {
    play.tale.begin(
        'a',
        "信河路废弃铁轨：一方召集、多方联动",
        "The track across Xinhe Road: one convenes, many act",
    );
    let case = convene(play).await?;
    cut_and_work(play, &case).await?;
    lift(play, &case).await?;
    heal_and_close(play, &case).await
}

async fn convene(play: &mut Play<'_>) -> Done<String> {
    play.on("2023-02-16T08:40:00+08:00")?;
    let register = pb::Register {
        received_ms: ms("2023-02-16T08:35:00+08:00")?,
        requester: Some(pb::Requester {
            name: "刘先生".to_owned(),
            phone: "0534-0000001".to_owned(),
            address: String::new(),
        }),
        ..moves::intake(pb::Channel::Phone, "urban-roads")
    };
    let case = play
        .take_in(
            At::City,
            register,
            "信河路上横着一段废弃铁轨，冬天结冰，夏天积水，车过颠簸。",
        )
        .await?;
    play.tale.say(At::City, "居民拨打12345：信河路横着一段废弃铁轨，冬冰夏水", "a resident phones 12345: a disused track lies across Xinhe Road, ice in winter, water in summer");
    let dispatch = moves::dispatch_to_units("市城市管理局", &["市公安局"], ms(DUE)?);
    play.act(At::City, "clerk", &case, dispatch, &[]).await?;
    play.act(At::City, "chengguan", &case, moves::sign_for(), &[])
        .await?;
    play.on("2023-02-16T09:00:00+08:00")?;
    let party = |place: &str, unit: &str, due_ms| pb::Party {
        place: place.to_owned(),
        unit: unit.to_owned(),
        due_ms,
        ..Default::default()
    };
    let due_ms = ms(DUE)?;
    let parties = vec![
        party("", "市城市管理局", due_ms),
        party("", "市公安局", due_ms),
        party(At::Decheng.code(), "", due_ms),
        party(At::Xinhua.code(), "", due_ms),
    ];
    let meeting_ms = ms("2023-02-16T10:00:00+08:00")?;
    play.act(
        At::City,
        "clerk",
        &case,
        moves::convene(meeting_ms, parties),
        &[],
    )
    .await?;
    play.tale.say(At::City, "召集市城市管理局、市公安局、德城区中心、新华街道现场办公，各领任务", "convenes urban management, public security, the Decheng centre and Xinhua sub-district; each has its task");
    for (at, login, task) in [
        (At::City, "chengguan", TASK_CHENGGUAN),
        (At::City, "gongan", TASK_GONGAN),
        (At::Decheng, "clerk", TASK_DECHENG),
        (At::Xinhua, "clerk", TASK_XINHUA),
    ] {
        play.await_case(at, &case, "the task has arrived", |view| {
            view.tasks.len() == 4
        })
        .await?;
        let acknowledge = moves::acknowledge_task(task);
        play.act(at, login, &case, acknowledge, &[]).await?;
    }
    let seen = play.await_case(At::City, &case, "all tasks acknowledged", |view| {
        view.tasks.iter().all(|task| task.state == "acknowledged")
    });
    let seen = seen.await?;
    play.tale.fact(
        seen.first_receiver_name == "市城市管理局" && seen.tasks.len() == 4,
        "首接单位为市城市管理局，四方均已知悉任务",
        "urban management is first receiver; all four have acknowledged their tasks",
    );
    Ok(case)
}

async fn cut_and_work(play: &mut Play<'_>, case: &str) -> Done<()> {
    play.scene.settle().await?;
    play.scene.cut(At::Decheng).await?;
    play.tale.say(
        At::Decheng,
        "与市里的链路中断（德城区知悉任务之后）",
        "its link to the city is cut, after it acknowledged",
    );
    play.on("2023-02-17T14:00:00+08:00")?;
    let work = moves::work_on_site(ms("2023-02-17T10:30:00+08:00")?);
    let texts = [
        ("evidence", "现场勘查：铁轨长约四十米，已与产权单位对接。"),
        ("place", "信河路铁轨处"),
    ];
    play.act(At::Xinhua, "clerk", case, work, &texts).await?;
    play.tale.say(
        At::Xinhua,
        "现场办公并记录；县乡之间链路正常，市里还看不到",
        "works on site and records it; its own link is up, the city cannot see it yet",
    );
    let waits = play.await_case(At::Xinhua, case, "the submission waits", |view| {
        !view.pending_submissions.is_empty()
    });
    let waiting = waits.await?.pending_submissions.len();
    let at_city = play.seen(At::City, case).await?;
    let is_so = waiting == 1 && count_of(&at_city, "work-on-site") == 0;
    play.tale.fact(
        is_so,
        "现场记录在新华街道待送，市里尚无",
        "the record waits at Xinhua; the city has none",
    );
    Ok(())
}

async fn lift(play: &mut Play<'_>, case: &str) -> Done<()> {
    play.on("2023-03-01T20:00:00+08:00")?;
    let action = moves::take_action();
    play.act(
        At::City,
        "chengguan",
        case,
        action,
        &[("evidence", "20时吊离铁轨，约一小时完成，随后修补路面。")],
    )
    .await?;
    let work = moves::work_on_site(ms("2023-03-01T20:00:00+08:00")?);
    let texts = [
        ("evidence", "铁轨已吊离，现场清理完毕。"),
        ("place", "信河路铁轨处"),
    ];
    play.act(At::Xinhua, "clerk", case, work, &texts).await?;
    play.tale.say(
        At::City,
        "3月1日20时铁轨吊离，约一小时",
        "on 1 March at 20:00 the track is lifted, in about an hour",
    );
    play.on("2023-03-02T08:00:00+08:00")?;
    let report = moves::report_task;
    play.act(
        At::Xinhua,
        "clerk",
        case,
        report(TASK_XINHUA),
        &[("evidence", "早高峰通行正常。")],
    )
    .await?;
    play.act(
        At::Decheng,
        "clerk",
        case,
        report(TASK_DECHENG),
        &[("evidence", "各方任务已核对。")],
    )
    .await?;
    play.tale.say(
        At::Xinhua,
        "3月2日通行正常，报告任务完成（链路仍断）",
        "on 2 March traffic is normal; reports its task done, the link still cut",
    );
    let at_city = play.seen(At::City, case).await?;
    let open = |number| {
        at_city
            .tasks
            .iter()
            .any(|task| task.task == number && task.state == "acknowledged")
    };
    let waiting = play.seen(At::Xinhua, case).await?.pending_submissions.len();
    let is_so = open(TASK_XINHUA) && open(TASK_DECHENG) && waiting == 3;
    play.tale.fact(
        is_so,
        "断链期间三件待送，一件不丢；市里任务仍为已知悉",
        "three submissions wait at Xinhua; at the city both tasks are only acknowledged",
    );
    Ok(())
}

async fn heal_and_close(play: &mut Play<'_>, case: &str) -> Done<()> {
    play.on("2023-03-02T09:00:00+08:00")?;
    play.scene.heal(At::Decheng).await?;
    play.tale.say(
        At::Decheng,
        "链路恢复，待送的自动补齐",
        "the link heals; what waited is carried by itself",
    );
    let report = moves::report_task;
    play.act(
        At::City,
        "chengguan",
        case,
        report(TASK_CHENGGUAN),
        &[("evidence", "路面已修补。")],
    )
    .await?;
    play.act(
        At::City,
        "gongan",
        case,
        report(TASK_GONGAN),
        &[("evidence", "交通疏导结束。")],
    )
    .await?;
    let done = play.await_case(At::City, case, "all tasks done", |view| {
        view.tasks.iter().all(|task| task.state == "done")
    });
    done.await?;
    play.scene.settle().await?;
    let seen = play.seen(At::City, case).await?;
    let waiting = play.seen(At::Xinhua, case).await?.pending_submissions.len();
    let once = count_of(&seen, "work-on-site") == 2 && count_of(&seen, "report-task") == 4;
    play.tale.fact(
        once && waiting == 0,
        "两次现场、四项任务各入链一次，不重不漏",
        "two visits on site and four reports stand in the chain, each once; nothing waits",
    );
    play.reply(
        At::City,
        "chengguan",
        case,
        "铁轨已于3月1日20时吊离，路面已修补，3月2日通行正常。",
    )
    .await?;
    play.on("2023-03-02T15:00:00+08:00")?;
    play.visit_and_close(At::City, case, 5).await?;
    play.tale.say(
        At::City,
        "回复经分管局长把关，回访满意（5分），市中心办结",
        "the reply passes a second person; return visit, rated 5; closed by the city",
    );
    let closed = play.seen(At::City, case).await?;
    let is_so = closed.stage == "closed"
        && closed.outcome == "solved"
        && closed.custodian_name == At::City.name()?;
    play.tale
        .fact(is_so, "已办结，结果：解决", "closed, outcome solved");
    play.scene.settle().await
}
