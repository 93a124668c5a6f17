//! The figures, printed as a table or as one JSON object. Judges nothing.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::Ground;

/// One figure.
#[derive(Debug)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    ratio: Option<(f64, &'static str)>,
}

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Value,
    figures: Vec<Figure>,
}

impl Report {
    /// Begins with what the machine does by itself.
    pub(crate) fn new(ground: &Ground, binary: &Path) -> anyhow::Result<Self> {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let mut report = Self {
            machine: json!({
                "cpu": model,
                "cores": std::thread::available_parallelism().map_or(0, usize::from),
                "load_before": load.split(' ').next().unwrap_or_default(),
            }),
            figures: Vec::new(),
        };
        report.add(
            "binary",
            std::fs::metadata(binary)?.len() as f64 / 1e6,
            "MB",
        );
        report.time("raw append + fdatasync, 600 B", ground.sync());
        report.time("raw append + fdatasync, 128 x 600 B", ground.group_sync());
        report.time("loopback round trip, 600 B", ground.round_trip());
        report.add("raw, one by one", ground.entries_each(), "entries/s");
        report.add("raw, groups of 128", ground.entries_grouped(), "entries/s");
        Ok(report)
    }

    /// A figure by itself.
    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure {
            name: name.to_owned(),
            value,
            unit,
            ratio: None,
        });
    }

    /// A time by itself.
    pub(crate) fn time(&mut self, name: &str, time: Duration) {
        self.add(name, time.as_secs_f64() * 1e3, "ms");
    }

    /// A figure beside a reference of the same unit.
    pub(crate) fn beside(
        &mut self,
        name: &str,
        value: f64,
        unit: &'static str,
        reference: f64,
        what: &'static str,
    ) {
        self.figures.push(Figure {
            name: name.to_owned(),
            value,
            unit,
            ratio: Some((value / reference, what)),
        });
    }

    /// Prints a table on standard output.
    pub(crate) fn print_table(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "machine: {}", self.machine)?;
        for figure in &self.figures {
            let ratio = figure
                .ratio
                .map(|(ratio, what)| format!("{ratio:>9.3} x {what}"));
            let (name, value, unit) = (&figure.name, figure.value, figure.unit);
            let line = format!(
                "{name:<62}{value:>12.3} {unit:<10}{}",
                ratio.unwrap_or_default()
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// Prints one JSON object on standard output.
    pub(crate) fn print_json(&self) -> anyhow::Result<()> {
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|figure| {
                json!({
                    "name": figure.name, "value": figure.value, "unit": figure.unit,
                    "ratio": figure.ratio.map(|(ratio, _)| ratio),
                    "ratio_to": figure.ratio.map(|(_, what)| what),
                })
            })
            .collect();
        let object = json!({ "machine": self.machine, "figures": figures });
        writeln!(std::io::stdout().lock(), "{object}")?;
        Ok(())
    }
}
