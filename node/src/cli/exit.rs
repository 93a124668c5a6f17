//! How the process exits, the same for every command.

/// One exit code with what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or help was asked for.
    Done,
    /// Refused, or failed: the same command will not pass until something has changed.
    Refused,
    /// The command line, the configuration or a file named there is wrong; nothing was sent.
    Usage,
    /// Nobody answered, or the node asks to wait: the same command may pass later.
    TryAgain,
}

impl Exit {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Done, Self::Refused, Self::Usage, Self::TryAgain];

    /// The code; 64 and 75 as in `sysexits.h`.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 64,
            Self::TryAgain => 75,
        }
    }

    /// What it says, Chinese and English.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Done => ("完成", "done"),
            Self::Refused => (
                "被拒绝或失败，情况不变则重试无效",
                "refused or failed; repeating it changes nothing",
            ),
            Self::Usage => (
                "用法或配置错误，未发送任何内容",
                "usage or configuration; nothing was sent",
            ),
            Self::TryAgain => ("请稍后再试", "try again later"),
        }
    }
}

/// The table, as `fengqiao --help` ends with it.
#[must_use]
pub fn table() -> String {
    let rows = Exit::ALL.map(|exit| {
        let (chinese, english) = exit.words();
        format!("  {:<3} {english} / {chinese}", exit.code())
    });
    format!("Exit codes (退出码):\n{}", rows.join("\n"))
}
