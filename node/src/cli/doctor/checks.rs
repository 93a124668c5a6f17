//! The checks, each one look at one thing.

use std::error::Error;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use fengqiao_hub::clock::{Moment, Warning};
use fengqiao_proto::v1 as pb;
use rustix::fs::StatVfsMountFlags;

use super::finding::{Finding, Patient, words};
use crate::engine::Closed;
use crate::folder::{FolderError, Glance, OlderCopy};
use crate::host::space_limits;
use crate::journal::disk::{self, refused_by_the_system};
use crate::journal::{Beside, FileSystem, JournalError, Room, Space};
use crate::keystore::Snapshot;
use crate::link::Words;
use crate::store::{boot_id, is_believed};

/// Below it a person should look.
const ROOM_MIB_WARN: u64 = 2 << 10;
const DAY_MS: i64 = 86_400_000;
/// Days before the end of a certificate from which on a person should look: renewal has had four months by then.
const CERTIFICATE_DAYS_WARN: i64 = 30;
/// Days after its end for which a certificate can still be renewed.
const CERTIFICATE_DAYS_GRACE: i64 = 365;

/// Every check that can be made of what is there.
pub(super) async fn all(patient: &Patient<'_>) -> Vec<Finding> {
    let mut findings = vec![folder(patient)];
    if patient.folder.is_dir() {
        findings.push(secrets(patient.folder));
        findings.extend(root_key(patient.folder));
        findings.push(disk(patient));
        findings.push(room(patient));
        findings.push(journal(patient));
        findings.push(keys(patient.folder));
        findings.push(store(patient));
        findings.push(writing(patient));
    }
    findings.push(clock(patient));
    if let Ok(glance) = &patient.glance {
        findings.push(certificate(glance, patient.now));
        findings.extend(super::parent::parent(glance, patient).await);
    }
    findings.push(ports(patient));
    findings.extend(running(patient));
    findings.extend(rules(patient));
    findings
}

/// What the running node says of its rules: whether there are any, and whether the days off are known.
fn rules(patient: &Patient<'_>) -> Option<Finding> {
    let status = patient.status.as_ref()?;
    let check = "rules";
    if status.rulebook.is_empty() {
        return Some(Finding::warn(
            check,
            words(
                "no rules have come from above yet: no case can be registered",
                "尚未收到上级下发的规则包，暂不能登记诉求",
            ),
            words(
                "bring the link to the parent up; at the top, `fengqiao bundle issue FOLDER`",
                "请恢复与上级的连接；最上级请用 fengqiao bundle issue 下发",
            ),
        ));
    }
    let year = i16::try_from(status.calendar_year_missing).ok()?;
    if year == 0 {
        return Some(Finding::ok(
            check,
            words(
                format!("version {}", status.rulebook),
                format!("版本 {}", status.rulebook),
            ),
        ));
    }
    let missing = Warning::CalendarYearMissing { year };
    Some(Finding::warn(
        check,
        words(
            format!("{}: {}", missing.code(), missing.message_en()),
            format!("{}：{}", missing.code(), missing.message_zh()),
        ),
        words(
            format!(
                "issue the State Council's list of {year} at the top: `fengqiao bundle issue {year}.json`"
            ),
            format!(
                "请在最上级下发国务院办公厅{year}年放假安排：fengqiao bundle issue {year}.json"
            ),
        ),
    ))
}

fn folder(patient: &Patient<'_>) -> Finding {
    let check = "folder";
    match &patient.glance {
        Ok(glance) => {
            let (name, node) = (&glance.identity.place_name, glance.identity.node);
            Finding::ok(
                check,
                words(
                    format!("{name}, node {node}"),
                    format!("{name}，节点 {node}"),
                ),
            )
        }
        Err(error @ FolderError::Restored { restored, .. }) => {
            let next = restored.next_command(patient.folder);
            let (english, chinese) = match &restored.enrol_address {
                Some(_) => (
                    format!(
                        "have the parent run `fengqiao invite PLACE --successor`, then: {next}"
                    ),
                    format!("请上级执行 fengqiao invite 地区 --successor，再在本机执行：{next}"),
                ),
                None => (
                    format!("with the root key brought from where it is locked away: {next}"),
                    format!("请取回离线保存的根密钥，执行：{next}"),
                ),
            };
            Finding::fail(
                check,
                words(error.to_string(), error.chinese()),
                words(english, chinese),
            )
        }
        Err(error) if refused_by_the_system(error).is_some() => {
            unread(check, patient.folder, error)
        }
        Err(error) => Finding::fail(
            check,
            words(error.to_string(), error.chinese()),
            words(
                "name the folder with --data, or make one with `fengqiao init` or `fengqiao join`",
                "请用 --data 指明数据目录，或执行 fengqiao init、fengqiao join",
            ),
        ),
    }
}

/// Something that could not be read: which file, whose it is, and how it is given back. Nothing is said of its bytes.
fn unread(check: &'static str, folder: &Path, error: &(dyn Error + 'static)) -> Finding {
    let Some(refused) = refused_by_the_system(error) else {
        return Finding::fail(
            check,
            words(error.to_string(), "无法读取"),
            Words::default(),
        );
    };
    let found = words(refused.to_string(), disk::chinese(refused));
    if refused.kind() != ErrorKind::PermissionDenied {
        return Finding::fail(
            check,
            found,
            words(
                "see what the system log says of this disk (dmesg); nothing was found to be damaged",
                "请查看系统日志（dmesg）中有关此磁盘的信息；未发现数据损坏",
            ),
        );
    }
    let own = rustix::process::geteuid().as_raw();
    let (owner, group) =
        std::fs::metadata(folder).map_or((own, own), |found| (found.uid(), found.gid()));
    let folder = folder.display();
    let to_do = if owner == own {
        words(
            format!("give it back to the node's user: chown -R {owner}:{group} {folder}"),
            format!("请归还给节点用户：chown -R {owner}:{group} {folder}"),
        )
    } else {
        words(
            format!(
                "this is user {own}, and the folder belongs to user {owner}: run it as that user; where files inside are somebody else's: chown -R {owner}:{group} {folder}"
            ),
            format!(
                "当前用户为 {own}，数据目录属于 {owner}：请以该用户执行；如目录内文件属于他人：chown -R {owner}:{group} {folder}"
            ),
        )
    };
    Finding::fail(check, found, to_do)
}

/// Files that nobody but their owner may read.
fn secrets(folder: &Path) -> Finding {
    let check = "secrets";
    let mut open = Vec::new();
    let private = folder.join("private");
    if let Err(error) = std::fs::read_dir(&private)
        && error.kind() == ErrorKind::PermissionDenied
    {
        return unread(check, folder, &disk::at(&private)(error));
    }
    let private = std::fs::read_dir(&private).into_iter().flatten();
    let private = private.filter_map(|entry| Some(entry.ok()?.path()));
    for path in private.chain([folder.join("keys")]) {
        let mode = std::fs::metadata(&path).map_or(0, |found| found.permissions().mode());
        if mode & 0o077 != 0 {
            open.push(path.display().to_string());
        }
    }
    if !open.is_empty() {
        let files = open.join(" ");
        return Finding::fail(
            check,
            words(
                format!("others may read {files}"),
                format!("他人可读取 {files}"),
            ),
            words(
                format!(
                    "if they never left this machine: chmod 600 {files}; else have the node revoked and recover it"
                ),
                format!("如从未离开本机：chmod 600 {files}；否则请上级吊销本节点并重新恢复"),
            ),
        );
    }
    let mode = std::fs::metadata(folder).map_or(0, |found| found.permissions().mode());
    if mode & 0o022 != 0 {
        return Finding::warn(
            check,
            words("others may write in the data folder", "他人可写数据目录"),
            words(
                format!("chmod 700 {}", folder.display()),
                format!("请执行 chmod 700 {}", folder.display()),
            ),
        );
    }
    Finding::ok(check, words("readable by the owner alone", "仅所有者可读"))
}

/// The root key belongs under lock, not on a machine that runs.
fn root_key(folder: &Path) -> Option<Finding> {
    let file = folder.join("root/authority.pem");
    file.exists().then(|| {
        Finding::warn(
            "root key",
            words(
                format!("{} is still on this machine", file.display()),
                format!("根密钥 {} 仍在本机", file.display()),
            ),
            words(
                "move it to a medium that is kept under lock; it is needed again only to recover the top and, every three years, for `fengqiao renew-authority`",
                "请移存到离线介质妥善保管；只有恢复最高级节点和每三年更新签发证书（fengqiao renew-authority）时才再用到",
            ),
        )
    })
}

fn disk(patient: &Patient<'_>) -> Finding {
    let check = "disk";
    match FileSystem::check(patient.folder) {
        Ok(kind) if kind.deserves_a_warning() => Finding::warn(
            check,
            words(
                format!("the file system is {kind:?}, which was not tried"),
                format!("文件系统为 {kind:?}，未经试验"),
            ),
            words(
                "use ext4 or XFS for the data folder",
                "数据目录请用 ext4 或 XFS",
            ),
        ),
        Ok(kind) if is_read_only(patient.folder) => Finding::fail(
            check,
            words(
                format!("{kind:?}, mounted read-only"),
                format!("{kind:?}，以只读方式挂载"),
            ),
            words(
                "the node cannot run on it. Find out why it takes no writes (dmesg), then remount it (mount -o remount,rw); `fengqiao verify` reads it as it is",
                "节点无法在其上运行。请先查明原因（dmesg），再重新挂载为可写（mount -o remount,rw）；fengqiao verify 可照常核验",
            ),
        ),
        Ok(kind) => Finding::ok(check, words(format!("{kind:?}"), format!("{kind:?}"))),
        Err(error) => Finding::fail(
            check,
            words(format!("{error}"), "此文件系统不能存放日志"),
            words(
                "move the data folder to a local disk, ext4 or XFS",
                "请将数据目录移到本机磁盘（ext4 或 XFS）",
            ),
        ),
    }
}

fn is_read_only(folder: &Path) -> bool {
    let asked = rustix::fs::statvfs(folder);
    asked.is_ok_and(|answer| answer.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn room(patient: &Patient<'_>) -> Finding {
    let check = "room";
    let free = Room::of(patient.folder).map_or(0, |room| room.available) >> 20;
    let found = words(format!("{free} MiB free"), format!("剩余 {free} MiB"));
    let make_room = words(
        "make room: the node only reads below its limit (journal.read_only_below_bytes)",
        "请腾出空间：低于下限时节点只读（journal.read_only_below_bytes）",
    );
    match Space::measure(patient.folder, &space_limits(patient.config)) {
        Ok(Space::ReadOnly) | Err(_) => Finding::fail(check, found, make_room),
        Ok(Space::Ok | Space::NoAttachments) if free < ROOM_MIB_WARN => {
            Finding::warn(check, found, make_room)
        }
        Ok(Space::Ok | Space::NoAttachments) => Finding::ok(check, found),
    }
}

fn journal(patient: &Patient<'_>) -> Finding {
    let check = "journal";
    // A restored folder has no witness yet.
    let restored = matches!(patient.glance, Err(FolderError::Restored { .. }));
    let seen = if restored {
        Beside::look(patient.folder)
    } else {
        Beside::look_witnessed(patient.folder)
    };
    match seen {
        Ok(seen) => {
            let (count, end) = (seen.segments.len(), seen.end.0);
            Finding::ok(
                check,
                words(
                    format!(
                        "{count} segments up to position {end}; `fengqiao verify` reads all of it"
                    ),
                    format!("{count} 段，至位置 {end}；逐条核验请用 fengqiao verify"),
                ),
            )
        }
        Err(JournalError::Absent) => Finding::warn(
            check,
            words("none yet: the node never ran", "尚无日志：节点从未运行"),
            words("start it with `fengqiao run`", "请执行 fengqiao run"),
        ),
        Err(error) if refused_by_the_system(&error).is_some() => {
            unread(check, patient.folder, &error)
        }
        Err(error @ (JournalError::DiskFull | JournalError::ReadOnly)) => Finding::fail(
            check,
            words(format!("{error}"), "日志无法同步：见“disk”“room”两项"),
            words(
                "see the checks of disk and room; nothing was found to be damaged",
                "请先处理“disk”“room”两项；未发现损坏",
            ),
        ),
        Err(error) => Finding::fail(
            check,
            words(format!("{error}"), "日志损坏，或被换成了旧副本"),
            words(
                "stop the node; restore a backup into a new folder and `fengqiao recover` it",
                "请停机；将备份恢复到新目录并执行 fengqiao recover",
            ),
        ),
    }
}

fn keys(folder: &Path) -> Finding {
    let check = "case keys";
    match Snapshot::read(folder) {
        Ok(keys) => {
            let (held, erased) = (keys.held(), keys.erased());
            Finding::ok(
                check,
                words(
                    format!("{held} cases, {erased} erased"),
                    format!("{held} 件，已销毁 {erased} 件"),
                ),
            )
        }
        Err(error) if refused_by_the_system(&error).is_some() => unread(check, folder, &error),
        Err(error) => Finding::fail(
            check,
            words(format!("{error}"), "密钥库损坏"),
            words(
                "restore the newest backup with its case keys into a new folder",
                "请将最近的备份连同案件密钥恢复到新目录",
            ),
        ),
    }
}

fn store(patient: &Patient<'_>) -> Finding {
    let check = "store";
    let path = patient.config.data.folder.join("store");
    match is_believed(&path, &boot_id().unwrap_or_default()) {
        Ok(Some(true)) => Finding::ok(check, words("believed", "可信")),
        Ok(None) => Finding::ok(
            check,
            words(
                "none: it is built from the journal at the next start",
                "尚无：下次启动时由日志重建",
            ),
        ),
        Err(error) if refused_by_the_system(&error).is_some() => {
            unread(check, patient.folder, &error)
        }
        Ok(Some(false)) | Err(_) => Finding::warn(
            check,
            words(
                "not closed before the machine stopped: it is rebuilt from the journal at the next start",
                "停机前未正常关闭：下次启动时由日志重建",
            ),
            words("nothing; the start takes longer", "无需处理，启动会稍久"),
        ),
    }
}

/// Whether the node may write at all.
fn writing(patient: &Patient<'_>) -> Finding {
    let check = "writing";
    if let Some(closed) = patient
        .status
        .as_ref()
        .and_then(|status| status.closed.as_ref())
    {
        return Finding::fail(
            check,
            words(closed.english.clone(), closed.chinese.clone()),
            words(closed.to_do.clone(), closed.to_do_chinese.clone()),
        );
    }
    match OlderCopy::read(patient.folder) {
        Ok(OlderCopy {
            found: Some(found), ..
        }) => {
            let refusal = Closed::OlderCopy.refusal();
            let by = found.neighbour;
            let (english, chinese) = Closed::OlderCopy.to_do();
            Finding::fail(
                check,
                words(
                    format!("{} (found by node {by})", refusal.english()),
                    format!("{}（由节点 {by} 发现）", refusal.chinese()),
                ),
                words(english, chinese),
            )
        }
        Ok(_)
            if patient
                .status
                .as_ref()
                .is_some_and(|status| status.read_only) =>
        {
            Finding::warn(
                check,
                words(
                    "the node only reads: the disk has too little room",
                    "节点只读：磁盘空间不足",
                ),
                words("make room", "请腾出空间"),
            )
        }
        Ok(_) => Finding::ok(check, words("allowed", "允许")),
        Err(error) if refused_by_the_system(&error).is_some() => {
            unread(check, patient.folder, &error)
        }
        Err(error) => Finding::fail(
            check,
            words(error.to_string(), error.chinese()),
            words("see the check of the folder", "请先处理“folder”一项"),
        ),
    }
}

fn clock(patient: &Patient<'_>) -> Finding {
    let check = "clock";
    let time = &patient.config.time;
    let set = words(
        "set the clock, and have it kept by NTP (chrony or systemd-timesyncd)",
        "请校准时钟，并启用 NTP（chrony 或 systemd-timesyncd）",
    );
    let links = patient.status.iter().flat_map(|status| &status.links);
    let parent = links.filter(|link| link.direction == "up" && link.heard_ms > 0);
    let skew_ms = parent
        .map(|link| link.skew_ms)
        .max_by_key(|skew| skew.abs());
    if let Some(skew_ms) = skew_ms {
        let (seconds, off_s) = (skew_ms / 1_000, skew_ms.unsigned_abs() / 1_000);
        let found = words(
            format!("the parent's clock minus this one: {seconds} s"),
            format!("上级时钟减本机时钟：{seconds} 秒"),
        );
        return if off_s > time.clock_skew_stop_s {
            Finding::fail(check, found, set)
        } else if off_s > time.clock_skew_warn_s {
            Finding::warn(check, found, set)
        } else {
            Finding::ok(check, found)
        };
    }
    // Without a word from the parent: time does not run backwards.
    let written = std::fs::metadata(patient.folder.join("witness"))
        .and_then(|found| found.modified())
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok());
    let now = crate::node::clock::Clock::System.now();
    if let Some(written) = written.filter(|written| *written > now.0.saturating_add(60_000)) {
        let minutes = (written - now.0) / 60_000;
        return Finding::fail(
            check,
            words(
                format!("the clock is {minutes} min behind what this machine wrote last"),
                format!("时钟比本机上次写入时还早 {minutes} 分钟"),
            ),
            set,
        );
    }
    Finding::ok(
        check,
        words(
            format!("{}; not compared with the parent", shown(patient.now)),
            format!("{}；未与上级比对", shown(patient.now)),
        ),
    )
}

fn certificate(glance: &Glance, now: Moment) -> Finding {
    let check = "certificate";
    let renew = words(
        "start the node where it reaches the parent: it renews by itself; at the top, where its own authority has ended, `fengqiao renew-authority --root-key FILE`",
        "请在能连上上级处启动节点，会自动续期；最上级如签发证书已到期，请执行 fengqiao renew-authority --root-key 根密钥文件",
    );
    let (begin, end) = glance.credentials.window;
    if now.0 < begin.as_millisecond() {
        let from = shown(Moment(begin.as_millisecond()));
        return Finding::fail(
            check,
            words(
                format!("begins only {from}: nobody takes it until then"),
                format!("自 {from} 起才生效，在此之前各方均不接受"),
            ),
            words(
                "see that this clock is right; then start the node where it reaches the parent, which renews it at once. At the top, where the authority itself begins then: stop it and run `fengqiao renew-authority --root-key FILE`",
                "请先确认本机时钟正确；随后在能连上上级处启动节点，会立即续期。最上级如签发证书本身尚未生效，请先停止节点，再执行 fengqiao renew-authority --root-key 根密钥文件",
            ),
        );
    }
    let days = (end.as_millisecond() - now.0).div_euclid(DAY_MS);
    let found = words(
        format!(
            "ends {}, in {days} days",
            shown(Moment(end.as_millisecond()))
        ),
        format!(
            "{} 到期，还有 {days} 天",
            shown(Moment(end.as_millisecond()))
        ),
    );
    if days < -CERTIFICATE_DAYS_GRACE {
        let again = words(
            "it can be renewed no more: have the node recovered by its parent; at the top `fengqiao renew-authority --root-key FILE`",
            "已不能续期：请凭上级令牌执行 fengqiao recover；最上级请执行 fengqiao renew-authority --root-key 根密钥文件",
        );
        return Finding::fail(check, found, again);
    }
    if days < 0 {
        return Finding::fail(check, found, renew);
    }
    if days < CERTIFICATE_DAYS_WARN {
        return Finding::warn(check, found, renew);
    }
    Finding::ok(check, found)
}

fn ports(patient: &Patient<'_>) -> Finding {
    let check = "ports";
    if patient.status.is_some() {
        return Finding::ok(
            check,
            words("held by the running node", "由运行中的节点占用"),
        );
    }
    let config = patient.config;
    let checked = config
        .check_ports_differ()
        .and_then(|()| config.check_ports_free());
    match checked {
        Ok(()) => Finding::ok(check, words("free", "空闲")),
        Err(error) => {
            let problems = error.problems().iter();
            let english: Vec<_> = problems
                .clone()
                .map(|problem| problem.english.as_str())
                .collect();
            let chinese: Vec<_> = problems.map(|problem| problem.chinese.as_str()).collect();
            Finding::fail(
                check,
                words(english.join("; "), chinese.join("；")),
                words(
                    "stop that program, or choose another port",
                    "请停止该程序，或更换端口",
                ),
            )
        }
    }
}

fn running(patient: &Patient<'_>) -> Vec<Finding> {
    let check = "node";
    let Some(status) = &patient.status else {
        return vec![Finding::ok(check, words("not running", "未运行"))];
    };
    let mut findings = vec![linked(status)];
    findings.extend(recovering(status, patient.now));
    if let Some(alarm) = status.alarms.first() {
        findings.push(Finding::warn(
            "alarms",
            words(
                format!("{} alarms, the newest: {alarm}", status.alarms.len()),
                format!("告警 {} 条，最近：{alarm}", status.alarms.len()),
            ),
            words(
                "`fengqiao status` shows them all",
                "全部告警请看 fengqiao status",
            ),
        ));
    }
    findings
}

/// Who is awaited after a loss, and for how long.
fn recovering(status: &pb::GetStatusResponse, now: Moment) -> Option<Finding> {
    let awaited: Vec<_> = status.links.iter().filter(|link| link.awaited).collect();
    let since = awaited.iter().map(|link| link.awaited_since_ms).min()?;
    let names: Vec<_> = awaited.iter().map(|link| link.name.as_str()).collect();
    let nodes: Vec<_> = awaited.iter().map(|link| link.link.as_str()).collect();
    let (names, nodes) = (names.join("、"), nodes.join(" "));
    let hours = now.0.saturating_sub(since).max(0) / 3_600_000;
    Some(Finding::warn(
        "recovery",
        words(
            format!(
                "recovering since {}, {hours} h: cases begun before wait until {names} has said what it holds",
                shown(Moment(since))
            ),
            format!(
                "自 {} 起恢复中，已 {hours} 小时：恢复前的诉求件等待 {names} 告知所存内容",
                shown(Moment(since))
            ),
        ),
        words(
            format!(
                "bring that link up; new cases are taken meanwhile. One that will never come back, a leader goes on without: fengqiao waive {nodes}"
            ),
            format!(
                "请恢复与其的连接，新诉求照常受理。如确定不再恢复，由负责人执行 fengqiao waive {nodes}"
            ),
        ),
    ))
}

fn linked(status: &pb::GetStatusResponse) -> Finding {
    let check = "node";
    let mut up = status.links.iter().filter(|link| link.direction == "up");
    if let Some(link) = up.find(|link| !link.connected) {
        return Finding::warn(
            check,
            words(
                format!("no link to {}; {} items wait for it", link.name, link.owed),
                format!("与 {} 未连通；待送 {} 项", link.name, link.owed),
            ),
            words(
                "nothing is lost: it goes on when the link is back; why it is down, see the check of the parent",
                "数据不会丢失，恢复连通后自动继续；断开原因见“parent”一项",
            ),
        );
    }
    let links = status.links.iter().filter(|link| link.connected).count();
    Finding::ok(
        check,
        words(
            format!("running, {links} links, {} entries wait", status.parked),
            format!("运行中，连通 {links} 条，待处理条目 {}", status.parked),
        ),
    )
}

fn shown(moment: Moment) -> String {
    moment
        .to_rfc3339(crate::cli::output::SHOWN_OFFSET_MINUTES)
        .unwrap_or_default()
}
