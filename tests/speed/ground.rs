//! What the machine itself does: append and fdatasync on the measured disk, round trips on loopback.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Of one entry as it is kept, about.
pub(crate) const ENTRY_BYTES: usize = 600;
/// Entries of a group.
pub(crate) const GROUP: usize = 128;

const SYNCS_EACH: usize = 200;
const ROUND_TRIPS: usize = 1_000;

/// Samples, added to at each look: others may load the machine while a run goes on.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: PathBuf,
    samples: Mutex<Samples>,
}

#[derive(Debug, Default)]
struct Samples {
    single: Vec<Duration>,
    group: Vec<Duration>,
    round_trip: Vec<Duration>,
}

impl Ground {
    /// A first look.
    pub(crate) fn measure(folder: &Path) -> anyhow::Result<Self> {
        let ground = Self {
            folder: folder.to_owned(),
            samples: Mutex::default(),
        };
        ground.look()?;
        Ok(ground)
    }

    /// Looks again; figures are medians over all looks.
    pub(crate) fn look(&self) -> anyhow::Result<()> {
        let single = appends(&self.folder, ENTRY_BYTES, SYNCS_EACH)?;
        let group = appends(&self.folder, ENTRY_BYTES * GROUP, SYNCS_EACH)?;
        let round_trip = round_trips()?;
        let mut samples = self
            .samples
            .lock()
            .map_err(|_| anyhow::anyhow!("a look failed"))?;
        samples.single.extend(single);
        samples.group.extend(group);
        samples.round_trip.extend(round_trip);
        Ok(())
    }

    fn median(&self, which: fn(&Samples) -> &Vec<Duration>) -> Duration {
        let Ok(samples) = self.samples.lock() else {
            return Duration::ZERO;
        };
        quantile(which(&samples), 0.5)
    }

    /// One entry appended and synced.
    pub(crate) fn sync(&self) -> Duration {
        self.median(|samples| &samples.single)
    }

    /// A group appended and synced.
    pub(crate) fn group_sync(&self) -> Duration {
        self.median(|samples| &samples.group)
    }

    /// There and back on loopback.
    pub(crate) fn round_trip(&self) -> Duration {
        self.median(|samples| &samples.round_trip)
    }

    /// Entries a second, one a sync.
    pub(crate) fn entries_each(&self) -> f64 {
        1.0 / self.sync().as_secs_f64()
    }

    /// Entries a second in groups.
    pub(crate) fn entries_grouped(&self) -> f64 {
        GROUP as f64 / self.group_sync().as_secs_f64()
    }

    /// What an entry over four tiers costs at the least.
    pub(crate) fn four_tiers(&self) -> Duration {
        self.sync() * 4 + self.round_trip() * 3
    }
}

/// The sample below which a share of all lies.
pub(crate) fn quantile(samples: &[Duration], share: f64) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    // Parts in ten thousand, so that the index is whole-number arithmetic.
    let parts = format!("{:.0}", share * 10_000.0)
        .parse::<usize>()
        .unwrap_or(0);
    let at = (sorted.len().saturating_sub(1) * parts + 5_000) / 10_000;
    sorted.get(at).copied().unwrap_or_default()
}

fn appends(folder: &Path, bytes: usize, times: usize) -> anyhow::Result<Vec<Duration>> {
    let path = folder.join("raw");
    let file = File::create(&path)?;
    let block = vec![0x5a; bytes];
    let mut at = 0;
    let mut samples = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        file.write_all_at(&block, at)?;
        file.sync_data()?;
        samples.push(start.elapsed());
        at += bytes as u64;
    }
    std::fs::remove_file(path)?;
    Ok(samples)
}

fn round_trips() -> anyhow::Result<Vec<Duration>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let echo = std::thread::spawn(move || {
        let mut block = [0; ENTRY_BYTES];
        while far.read_exact(&mut block).is_ok() && far.write_all(&[1]).is_ok() {}
    });
    let block = [0x5a; ENTRY_BYTES];
    let mut samples = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        near.write_all(&block)?;
        near.read_exact(&mut [0])?;
        samples.push(start.elapsed());
    }
    drop(near);
    echo.join()
        .map_err(|_| anyhow::anyhow!("the echo failed"))?;
    Ok(samples)
}
