//! Clocks that lie: what a machine believes the time to be.

use fengqiao_hub::clock::Moment;

/// The clock of one machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    offset_ms: i64,
    frozen_at_ms: Option<i64>,
    /// Parts of a million that it runs too fast.
    drift_ppm: i64,
    set_at_ms: i64,
}

impl Clock {
    /// What it shows at a true time.
    #[must_use]
    pub fn read(&self, true_ms: i64) -> Moment {
        let at_ms = self.frozen_at_ms.unwrap_or(true_ms);
        let drifted = (at_ms - self.set_at_ms).saturating_mul(self.drift_ppm) / 1_000_000;
        Moment(at_ms.saturating_add(self.offset_ms).saturating_add(drifted))
    }

    /// It is set wrong by so much, at once.
    pub fn jump(&mut self, by_ms: i64) {
        self.offset_ms = self.offset_ms.saturating_add(by_ms);
    }

    /// It stands still.
    pub fn freeze(&mut self, true_ms: i64) {
        self.frozen_at_ms.get_or_insert(true_ms);
    }

    /// It runs too fast or too slow.
    pub fn drift(&mut self, true_ms: i64, ppm: i64) {
        self.drift_ppm = ppm;
        self.set_at_ms = true_ms;
    }

    /// It is right again.
    pub fn set_right(&mut self) {
        *self = Self::default();
    }
}
