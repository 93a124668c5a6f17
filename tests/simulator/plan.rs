//! What a seed draws before anything happens: the shape of the world, how busy its people are, what goes wrong.

use fengqiao_node::engine::PARKED_MAX;
use fengqiao_node::replication::session::Limits;

use super::Mode;
use super::dice::Dice;
use super::faults::Fault;
use super::wire::Weather;

/// Shares of a day by local hour, of a thousand, and of a week, Monday first: what a city's 311 line and its written
/// requests were measured to be.
const HOURS_LINE: [u64; 24] = [
    5, 3, 2, 2, 2, 3, 10, 36, 72, 117, 119, 101, 89, 84, 89, 76, 48, 35, 25, 22, 19, 17, 16, 10,
];
const HOURS_WRITTEN: [u64; 24] = [
    25, 14, 3, 4, 2, 4, 8, 13, 41, 61, 117, 81, 56, 47, 63, 93, 66, 77, 55, 38, 33, 36, 37, 28,
];
const WEEK: [u64; 7] = [188, 188, 190, 170, 159, 49, 55];

/// The shape of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Below the city.
    pub counties: usize,
    /// Below the counties, in turn.
    pub townships: usize,
    /// Below the townships, in turn.
    pub villages: usize,
    /// Departments with a node of their own, at the counties in turn, the first at the city.
    pub departments: usize,
}

/// Every shape there is.
pub const SHAPES: [Shape; 7] = [
    Shape::of(1, 0, 0, 0),
    Shape::of(1, 1, 0, 1),
    Shape::of(1, 1, 1, 0),
    Shape::of(2, 2, 2, 1),
    Shape::of(1, 2, 4, 2),
    Shape::of(2, 3, 4, 2),
    Shape::of(2, 4, 8, 3),
];

impl Shape {
    const fn of(counties: usize, townships: usize, villages: usize, departments: usize) -> Self {
        Self {
            counties,
            townships,
            villages,
            departments,
        }
    }

    /// In words.
    #[must_use]
    pub fn name(&self) -> String {
        format!(
            "{} nodes: a city, counties {}, townships {}, villages {}, departments {}",
            self.nodes(),
            self.counties,
            self.townships,
            self.villages,
            self.departments
        )
    }

    /// Nodes of it.
    #[must_use]
    pub fn nodes(&self) -> usize {
        1 + self.counties + self.townships + self.villages + self.departments
    }
}

/// What a seed draws.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Shape of the world.
    pub shape: Shape,
    /// Days people work before everything heals.
    pub days: i64,
    /// What people do in a week, about.
    pub acts_a_week: u64,
    /// Whether requests come by telephone rather than in writing.
    pub by_line: bool,
    /// Faults of all days together.
    pub faults: u64,
    /// Which kinds of them.
    pub kinds: Vec<Fault>,
    /// What links do to frames.
    pub weather: Weather,
    /// Whether frames are lost, repeated and reordered inside a stream, which no TCP does.
    pub is_wild: bool,
    /// Of sessions.
    pub limits: Limits,
    /// Inputs that are one group at most.
    pub group_max: usize,
    /// What waits of one neighbour before its link pauses.
    pub parked_max: u64,
}

impl Plan {
    /// Draws one.
    #[must_use]
    pub fn draw(dice: &mut Dice, mode: Mode) -> Self {
        let shape = SHAPES[dice.roll(SHAPES.len()).min(dice.roll(SHAPES.len() + 2))];
        let days = dice.between(2, 40);
        let acts = 60 + 10 * dice.between(0, 26);
        let acts_a_week = u64::try_from(acts * 7 / days).unwrap_or(1).max(1);
        let is_wild = dice.roll(4) == 0;
        let mut kinds: Vec<Fault> = Fault::ALL
            .iter()
            .copied()
            .filter(|fault| fault.suits(mode))
            .filter(|_| dice.roll(2) == 0)
            .collect();
        if kinds.is_empty() {
            kinds.push(Fault::Kill);
        }
        Self {
            shape,
            days,
            acts_a_week,
            by_line: dice.roll(2) == 0,
            faults: dice.number() % 40,
            kinds,
            weather: weather(dice, is_wild),
            is_wild,
            limits: limits(dice),
            group_max: dice.pick(&[1, 3, 128]),
            parked_max: parked_max(&mut dice.clone().branch(), mode),
        }
    }

    /// Acts of a day of the week, and their hours.
    #[must_use]
    pub fn day(&self, weekday: usize, dice: &mut Dice) -> Vec<i64> {
        let wanted = self.acts_a_week * WEEK[weekday % 7];
        let acts = wanted / 1_000 + u64::from(dice.mille(wanted % 1_000));
        let hours = if self.by_line {
            &HOURS_LINE
        } else {
            &HOURS_WRITTEN
        };
        let total: u64 = hours.iter().sum();
        let mut at = Vec::new();
        for _ in 0..acts {
            let mut left = dice.number() % total;
            let mut hour = 0;
            for (index, share) in (0_i64..).zip(hours) {
                if left < *share {
                    hour = index;
                    break;
                }
                left -= share;
            }
            at.push(hour * 3_600_000 + dice.between(0, 3_599_999));
        }
        at
    }
}

fn weather(dice: &mut Dice, is_wild: bool) -> Weather {
    let quiet = Weather {
        latency_ms: dice.between(1, 400),
        jitter_ms: dice.between(0, 2_000),
        ..Weather::default()
    };
    let some = |dice: &mut Dice, most: u64| dice.number() % 2 * (dice.number() % most);
    let stale = some(dice, 1_000);
    let delay = some(dice, 8);
    if !is_wild {
        return Weather {
            delay,
            stale,
            ..quiet
        };
    }
    Weather {
        lose: some(dice, 60),
        repeat: some(dice, 60),
        reorder: some(dice, 60),
        delay,
        stale,
        ..quiet
    }
}

/// Little room for what waits where nothing is promised about progress: two links that pause may wait for each other.
fn parked_max(dice: &mut Dice, mode: Mode) -> u64 {
    if mode == Mode::Safety && dice.roll(8) == 0 {
        dice.pick(&[1, 2, 5])
    } else {
        PARKED_MAX
    }
}

fn limits(dice: &mut Dice) -> Limits {
    let usual = Limits::default();
    if dice.roll(2) == 0 {
        return usual;
    }
    Limits {
        window_items: dice.pick(&[1, 2, 7, 64]),
        unstored_bytes_max: dice.pick(&[1, 2_000, 1 << 20]),
        frame_bytes_max: dice.pick(&[64 << 10, 1 << 20]),
        ..usual
    }
}
