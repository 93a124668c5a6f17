//! A clerk's day: a quarrel is taken in at a sub-district and offered upwards; the district takes it, decides and hands it
//! back; meanwhile the link is cut and work goes on. All by what stands on the pages, in a browser that runs no script.

use anyhow::{Context as _, ensure};
use fengqiao_proto::v1::Role;
use fengqiao_tests::city::process::Node;
use fengqiao_tests::city::{COUNTY, City, TOWNSHIP, until};

use super::driver::{Driver, Looks, Window};
use super::{at, enter};

const PLAIN: Looks = Looks {
    size: (1366, 768),
    dark: false,
    scripts: false,
};

/// Waits until a page shows something.
async fn shows(window: &Window, address: &str, wanted: &str) {
    until(&format!("{wanted} at {address}"), async || {
        window.go(address).await.ok()?;
        window.text().await.ok()?.contains(wanted).then_some(())
    })
    .await;
}

async fn person(
    driver: &Driver,
    node: &Node,
    login: &str,
    roles: &[Role],
) -> anyhow::Result<Window> {
    node.desk().account(login, roles, "").await;
    let window = driver.open(PLAIN).await?;
    enter(&window, node, login).await?;
    Ok(window)
}

/// Does something with a case whose form asks for texts only.
async fn act(
    window: &Window,
    node: &Node,
    case: &str,
    action: &str,
    fields: &[(&str, &str)],
) -> anyhow::Result<()> {
    window
        .go(&at(node, &format!("/cases/{case}/{action}")))
        .await?;
    for (field, text) in fields {
        window.write(field, text).await?;
    }
    window.send("form.form button.go").await?;
    let address = window.address().await?;
    ensure!(
        address.ends_with(&format!("done={action}")),
        "{action}: {}",
        window.text().await?
    );
    Ok(())
}

pub(super) async fn play() -> anyhow::Result<()> {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let (township, wire) = ground.join_by_wire(&county, "新华街道", TOWNSHIP).await;
    let driver = Driver::start().await?;
    let wang = person(&driver, &township, "wang", &[Role::Clerk]).await?;
    let zhao = person(&driver, &county, "zhao", &[Role::Clerk, Role::Leader]).await?;

    wang.go(&at(&township, "/register")).await?;
    wang.write("text", "两家为宅基地界石争吵多年。").await?;
    wang.write("class", "宅基地与地界纠纷").await?;
    wang.write("requester.name", "汪某").await?;
    wang.send("form.form button.go").await?;
    let case = wang.text_of("dd.big").await?;
    println!("taken in by a browser: {case}");

    wang.go(&at(&township, &format!("/cases/{case}"))).await?;
    wang.send("form[action$=\"/accept\"] button").await?;
    ensure!(
        wang.text().await?.contains("已完成：受理"),
        "{}",
        wang.text().await?
    );
    wang.go(&at(&township, &format!("/cases/{case}/escalate")))
        .await?;
    wang.click("input[name=because][value=hard]").await?;
    wang.write("reason", "涉及两村历史遗留问题。").await?;
    wang.send("form.form button.go").await?;

    shows(&zhao, &at(&county, "/cases?tab=todo"), &case).await;
    act(&zhao, &county, &case, "take", &[("reason", "由区里牵头。")]).await?;
    act(
        &zhao,
        &county,
        &case,
        "decide",
        &[("text", "按界石原址恢复，街道做好见证。")],
    )
    .await?;
    println!("taken and decided at the district");
    shows(
        &wang,
        &at(&township, &format!("/cases/{case}")),
        "按界石原址恢复",
    )
    .await;

    wire.cut();
    township.desk().link_runs("德城区", false).await;
    shows(&wang, &at(&township, "/today"), "与上级的连接已中断").await;
    wang.go(&at(&township, "/register")).await?;
    wang.write("text", "断网时的来电：路灯不亮。").await?;
    wang.write("class", "路灯与公共照明").await?;
    wang.send("form.form button.go").await?;
    let said = wang.text().await?;
    let alone = wang.text_of("dd.big").await.context(said)?;
    println!("taken in while the link was cut: {alone}");

    zhao.go(&at(&county, &format!("/cases/{case}/dispatch")))
        .await?;
    zhao.write("place", "新华街道").await?;
    zhao.send("form.form button.go").await?;
    wire.mend();
    shows(&wang, &at(&township, "/cases?tab=todo"), &case).await;
    let page = at(&township, &format!("/cases/{case}"));
    shows(&wang, &page, "派单").await;
    shows(&wang, &at(&township, "/cases?tab=open"), &alone).await;
    println!("handed back, and all of it arrived: {case}");
    wang.close().await?;
    zhao.close().await
}
