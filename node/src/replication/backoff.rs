//! How long to wait before dialling again: full jitter, so that three hundred children of a parent that comes back
//! do not arrive together. Draws no randomness and reads no clock itself.

/// The pause before the next attempt, growing from a least to a longest value.
#[derive(Debug, Clone)]
pub struct Backoff {
    retry_ms_min: u64,
    retry_ms_max: u64,
    ceiling_ms: u64,
}

impl Backoff {
    /// Starts at `retry_ms_min`; a pause is never drawn above `retry_ms_max`.
    #[must_use]
    pub const fn new(retry_ms_min: u64, retry_ms_max: u64) -> Self {
        Self {
            retry_ms_min,
            retry_ms_max,
            ceiling_ms: retry_ms_min,
        }
    }

    /// The next pause in milliseconds, evenly drawn from 0 to the ceiling, which then doubles. `random` is any evenly
    /// drawn number.
    pub fn next_ms(&mut self, random: u64) -> u64 {
        let ceiling_ms = self.ceiling_ms.min(self.retry_ms_max);
        self.ceiling_ms = ceiling_ms.saturating_mul(2).max(1);
        scaled(random, ceiling_ms)
    }

    /// The next pause where the other side asked not to be called before `retry_after_ms`: that and a drawn pause on
    /// top, so that those who were sent away together do not come back together.
    pub fn next_after_ms(&mut self, retry_after_ms: u64, random: u64) -> u64 {
        retry_after_ms.saturating_add(self.next_ms(random))
    }

    /// Starts again from the least pause: the other side was reached.
    pub const fn reset(&mut self) {
        self.ceiling_ms = self.retry_ms_min;
    }
}

/// `random` of 2^64 as a number from 0 to `max`.
fn scaled(random: u64, max: u64) -> u64 {
    let product = u128::from(random) * (u128::from(max) + 1);
    u64::try_from(product >> 64).unwrap_or(max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ceiling_doubles_to_the_longest_pause_and_stays() {
        let mut backoff = Backoff::new(1_000, 300_000);
        let drawn: Vec<u64> = (0..11).map(|_| backoff.next_ms(u64::MAX)).collect();
        assert_eq!(
            drawn,
            [
                1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000,
                300_000
            ]
        );
        backoff.reset();
        assert_eq!(backoff.next_ms(u64::MAX), 1_000);
    }

    #[test]
    fn who_was_sent_away_waits_at_least_as_long_as_told() {
        let mut backoff = Backoff::new(1_000, 300_000);
        assert_eq!(backoff.next_after_ms(60_000, 0), 60_000);
        assert_eq!(backoff.next_after_ms(60_000, u64::MAX), 62_000);
    }

    proptest! {
        #[test]
        fn a_pause_is_never_above_its_ceiling(min in 1..10_000_u64, max in 1..1_000_000_u64, randoms in prop::collection::vec(any::<u64>(), 1..40)) {
            let mut backoff = Backoff::new(min, max);
            for (attempt, random) in randoms.into_iter().enumerate() {
                let ceiling = u128::from(min) << attempt.min(64);
                let pause = backoff.next_ms(random);
                prop_assert!(pause <= max && u128::from(pause) <= ceiling);
            }
        }
    }
}
