//! Pictures of every page: three sizes, both languages, light and dark, with cases in every state, and empty.

use std::path::Path;

use fengqiao_proto::v1::Role;
use fengqiao_tests::city::City;
use fengqiao_tests::city::process::Node;
use fengqiao_tests::kit::browser::{Browser, encoded};

use super::driver::{Driver, Looks};
use super::{PASSWORD, at, enter};

const SIZES: [(u32, u32); 3] = [(1366, 768), (1920, 1080), (390, 844)];
/// Requests as people bring them: text, where, class, how they came.
const REQUESTS: [(&str, &str, &str, &str); 8] = [
    (
        "新河路木材公司路段有条废弃铁轨横在路面，冬天结冰、夏天积水，已有多人摔倒，希望尽快拆除。",
        "新河路木材公司门口",
        "道路、桥梁与井盖",
        "phone",
    ),
    (
        "楼上住户连日深夜装修，电钻声到凌晨一点，老人孩子无法休息。",
        "东苑小区 3 号楼 2 单元",
        "噪声扰民",
        "phone",
    ),
    (
        "工地拖欠工资三个月，共 7 人，合计约 9 万元。",
        "银城路建设工地",
        "拖欠工资",
        "window",
    ),
    (
        "路灯连续五盏不亮，晚上放学孩子走夜路不安全。",
        "宋楼村至镇中学路段",
        "路灯与公共照明",
        "web",
    ),
    (
        "自来水发黄浑浊，已持续一周。",
        "东关村",
        "供水与排水",
        "phone",
    ),
    (
        "宅基地界石被移位约半米，两家多次争吵。",
        "郑寨汪家村",
        "宅基地与地界纠纷",
        "grid-worker",
    ),
    (
        "供暖不热，三户老人室温不足十五度。",
        "北城街道供电社区",
        "供电、供气与供热",
        "phone",
    ),
    (
        "小区物业费上涨未征求业主意见。",
        "银城花园",
        "物业服务与小区管理",
        "letter",
    ),
];

fn done(node: &Node, words: &[&str]) {
    let said = node.cli(words);
    assert_eq!(said.code, 0, "{words:?}: {}", said.err);
}

/// Fills a node with people and cases, by its own pages; the numbers of the cases.
async fn fill(node: &Node) -> anyhow::Result<Vec<String>> {
    let desk = node.desk();
    for unit in [
        "市城市管理局",
        "市住房和城乡建设局",
        "市人力资源和社会保障局劳动保障监察支队",
    ] {
        desk.add_unit(unit).await;
    }
    desk.account("wang", &[Role::Clerk], "").await;
    desk.account("residents", &[Role::Clerk], "").await;
    desk.account("sun", &[Role::Handler], "市城市管理局").await;
    for (name, code) in [
        ("德城区", "371402"),
        ("陵城区", "371403"),
        ("夏津县", "371427"),
    ] {
        done(
            node,
            &["place", "add", name, "--level", "county", "--code", code],
        );
    }
    let link = node.cli(&["account", "link", "wang"]).json();
    let mut wang = Browser::of(node.ports.pages, &node.data)?;
    wang.welcome(link["path"].as_str().unwrap_or_default(), PASSWORD)
        .await?;
    let mut cases = Vec::new();
    for (text, place, class, channel) in REQUESTS {
        let fields = [
            ("text", text),
            ("where", place),
            ("class", class),
            ("channel", channel),
            ("place", "夏津县"),
            (
                "urgency",
                if channel == "window" {
                    "urgent"
                } else {
                    "ordinary"
                },
            ),
            ("requester.name", "冯先生"),
            ("requester.phone", "13800000000"),
        ];
        let slip = wang.fill("/register", "/register", &fields).await?;
        let number = slip.between("num big\">", "<").unwrap_or_default();
        cases.push(number.to_owned());
    }
    for case in &cases[..6] {
        done(node, &["--as", "wang", "case", "accept", case]);
    }
    for case in &cases[..4] {
        done(
            node,
            &[
                "--as",
                "wang",
                "case",
                "dispatch",
                case,
                "--lead",
                "市城市管理局",
            ],
        );
    }
    for case in &cases[..2] {
        done(node, &["--as", "sun", "case", "sign-for", case]);
    }
    let first = &cases[0];
    done(
        node,
        &[
            "--as",
            "sun",
            "case",
            "take-action",
            first,
            "--evidence",
            "铁轨及枕木已拆除，破损处浇筑混凝土并铺设钢板。",
        ],
    );
    done(
        node,
        &[
            "--as",
            "sun",
            "case",
            "draft-reply",
            first,
            "--reasonable",
            "yes",
            "--reply",
            "您反映的废弃铁轨已拆除，路面已恢复通行。",
        ],
    );
    Ok(cases)
}

pub(super) async fn take(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let ground = City::new();
    let full = ground.found("德州市").await;
    let empty = ground.found("夏津县").await;
    let cases = fill(&full).await?;
    empty.desk().account("wang", &[Role::Clerk], "").await;
    let driver = Driver::start().await?;
    let case = &cases[0];
    let inside = [
        ("today", "/today".to_owned()),
        ("cases", "/cases?tab=open".to_owned()),
        ("case", format!("/cases/{case}")),
        ("dispatch", format!("/cases/{}/dispatch", cases[4])),
        ("register", "/register".to_owned()),
        ("find", format!("/find?q={}", encoded("路"))),
        ("supervision", "/supervision".to_owned()),
        ("directives", "/directives".to_owned()),
        ("people", "/people".to_owned()),
        ("places", "/places".to_owned()),
        ("node", "/node".to_owned()),
        ("account", "/account".to_owned()),
        ("no-page", "/nowhere".to_owned()),
    ];
    let outside = ["/", "/submit", "/track", "/directory", "/sign-in", "/style"];
    let mut taken = 0;
    for size in SIZES {
        for dark in [false, true] {
            let window = driver
                .open(Looks {
                    size,
                    dark,
                    scripts: false,
                })
                .await?;
            for language in ["zh", "en"] {
                let name = |page: &str| {
                    let shade = if dark { "dark" } else { "light" };
                    folder.join(format!("{}-{language}-{shade}-{page}.png", size.0))
                };
                window
                    .go(&at(&full, &format!("/language/{language}")))
                    .await?;
                for path in outside {
                    window.go(&at(&full, path)).await?;
                    let page = path.trim_start_matches('/');
                    window
                        .picture(&name(if page.is_empty() { "home" } else { page }))
                        .await?;
                    taken += 1;
                }
                enter(&window, &full, "wang").await?;
                for (page, path) in &inside {
                    window.go(&at(&full, path)).await?;
                    window.picture(&name(page)).await?;
                    taken += 1;
                }
                window.go(&at(&full, "/account")).await?;
                window.send("form[action=\"/sign-out\"] button").await?;
            }
            window.close().await?;
        }
    }
    for (page, large) in [("today-empty", false), ("today-large", true)] {
        let node = if large { &full } else { &empty };
        let window = driver
            .open(Looks {
                size: SIZES[0],
                dark: false,
                scripts: false,
            })
            .await?;
        enter(&window, node, "wang").await?;
        if large {
            window.go(&at(node, "/size/large?back=/today")).await?;
        }
        window.picture(&folder.join(format!("{page}.png"))).await?;
        taken += 1;
        window.close().await?;
    }
    println!("{taken} pictures in {}", folder.display());
    Ok(())
}
