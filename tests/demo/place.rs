//! The places of the demonstration: real ones of Dezhou, with the names and codes of the divisions that ship.

use fengqiao_tests::kit::failed::{Done, Failed};

const DIVISIONS: &str = include_str!("../../deploy/dezhou/divisions.csv");

/// Places that have a node in the demonstration, parents before children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// 德州市
    City,
    /// 德城区
    Decheng,
    /// 新华街道
    Xinhua,
    /// 辛庄社区, below Xinhua
    Xinzhuang,
    /// 陵城区
    Lingcheng,
    /// 郑家寨镇, below Lingcheng
    Zhengjiazhai,
    /// 郑寨汪家村, below Zhengjiazhai
    Wangjia,
}

impl At {
    /// All of them, parents before children.
    pub(super) const ALL: [Self; 7] = [
        Self::City,
        Self::Decheng,
        Self::Xinhua,
        Self::Xinzhuang,
        Self::Lingcheng,
        Self::Zhengjiazhai,
        Self::Wangjia,
    ];

    /// Official code.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::City => "3714",
            Self::Decheng => "371402",
            Self::Xinhua => "371402002",
            Self::Xinzhuang => "371402002012",
            Self::Lingcheng => "371403",
            Self::Zhengjiazhai => "371403101",
            Self::Wangjia => "371403101200",
        }
    }

    /// Name of its folder, and what a reader of English calls it.
    pub(super) fn english(self) -> &'static str {
        match self {
            Self::City => "Dezhou city",
            Self::Decheng => "Decheng district",
            Self::Xinhua => "Xinhua sub-district",
            Self::Xinzhuang => "Xinzhuang community",
            Self::Lingcheng => "Lingcheng district",
            Self::Zhengjiazhai => "Zhengjiazhai town",
            Self::Wangjia => "Wangjia village",
        }
    }

    /// Name of its data folder: short, because the path of a socket has a limit.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Decheng => "decheng",
            Self::Xinhua => "xinhua",
            Self::Xinzhuang => "xinzhuang",
            Self::Lingcheng => "lingcheng",
            Self::Zhengjiazhai => "zhengjiazhai",
            Self::Wangjia => "wangjia",
        }
    }

    /// The place above.
    pub(super) fn parent(self) -> Option<Self> {
        match self {
            Self::City => None,
            Self::Decheng | Self::Lingcheng => Some(Self::City),
            Self::Xinhua => Some(Self::Decheng),
            Self::Xinzhuang => Some(Self::Xinhua),
            Self::Zhengjiazhai => Some(Self::Lingcheng),
            Self::Wangjia => Some(Self::Zhengjiazhai),
        }
    }

    /// Level of its tier.
    pub(super) fn level(self) -> u32 {
        match self {
            Self::City => 30,
            Self::Decheng | Self::Lingcheng => 40,
            Self::Xinhua | Self::Zhengjiazhai => 50,
            Self::Xinzhuang | Self::Wangjia => 60,
        }
    }

    /// Word for its tier.
    pub(super) fn tier(self) -> &'static str {
        match self.level() {
            30 => "市 city",
            40 => "县 county",
            50 => "乡 township",
            _ => "村 village",
        }
    }

    /// Official name, from the divisions that ship.
    ///
    /// # Errors
    /// The divisions do not hold its code below its parent's: a broken build.
    pub(super) fn name(self) -> Done<&'static str> {
        let parent = self.parent().map(Self::code);
        let found = DIVISIONS.lines().find_map(|line| {
            let mut cells = line.split(',');
            let (code, above, _tier, name) =
                (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
            (code == self.code() && parent.is_none_or(|parent| parent == above)).then_some(name)
        });
        found.ok_or_else(|| {
            Failed::new(
                "DIVISION_UNKNOWN",
                format!("no division {}", self.code()),
                "区划不存在",
            )
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_a_real_one_below_its_real_parent() {
        let names: Vec<_> = At::ALL.iter().map(|at| at.name().unwrap()).collect();
        let real = [
            "德州市",
            "德城区",
            "新华街道",
            "辛庄社区居委会",
            "陵城区",
            "郑家寨镇",
            "郑寨汪家村委会",
        ];
        assert_eq!(names, real);
    }
}
