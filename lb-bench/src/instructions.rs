//! `lb-bench instructions`: instructions per packet, held to a committed baseline.
//!
//! No counterpart in the patent. Runs `lb-bench stages` under callgrind. Instructions are the one figure that a
//! busy machine does not change, so this is the measurement that can fail a build.
//! Easy to get wrong: fewer instructions are not always less time. This finds what crept in; whether the
//! program is fast, `lb-bench filter` says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

/// A figure may exceed its baseline by so much.
const SLACK: f64 = 0.05;

/// Options of `lb-bench instructions`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The committed figures
    #[arg(long, default_value = "lb-bench/instructions.json")]
    baseline: PathBuf,
    /// Directory for callgrind's files
    #[arg(long, default_value = "target/bench/instructions")]
    out: PathBuf,
    /// Make the present figures the baseline
    #[arg(long)]
    update: bool,
}

/// The committed file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Baseline {
    /// Compiler that the figures were made with: another one may need others.
    rustc: String,
    instructions_per_packet: BTreeMap<String, f64>,
}

/// One piece of work.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    name: String,
    per_packet: f64,
}

/// Counts, prints, compares.
///
/// # Errors
/// Where a figure is worse than its baseline by more than 5 %, or nothing could be counted.
pub fn run(options: &Options) -> Result<()> {
    let pieces = count(&options.out)?;
    let rustc = compiler()?;
    if options.update {
        let figures = pieces.into_iter().map(|p| (p.name, p.per_packet));
        let baseline = Baseline {
            rustc,
            instructions_per_packet: figures.collect(),
        };
        let text = serde_json::to_string_pretty(&baseline)? + "\n";
        fs::write(&options.baseline, text)
            .with_context(|| format!("{}", options.baseline.display()))?;
        println!("wrote {}", options.baseline.display());
        return Ok(());
    }
    let text = fs::read_to_string(&options.baseline).with_context(|| {
        format!(
            "{}: run with --update to make it",
            options.baseline.display()
        )
    })?;
    let baseline: Baseline = serde_json::from_str(&text)?;
    if baseline.rustc != rustc {
        println!("the baseline is of {}, this is {rustc}", baseline.rustc);
    }
    let worse = compare(&pieces, &baseline.instructions_per_packet);
    ensure!(
        worse.is_empty(),
        "more instructions than {} allows: {}",
        options.baseline.display(),
        worse.join(", ")
    );
    Ok(())
}

/// Prints all figures beside their baselines; the names of those that are worse, or missing.
fn compare(pieces: &[Piece], baseline: &BTreeMap<String, f64>) -> Vec<String> {
    println!(
        "{:<34} {:>12} {:>10} {:>8}",
        "instructions per packet", "now", "baseline", "change"
    );
    let mut worse = Vec::new();
    for Piece { name, per_packet } in pieces {
        let Some(&before) = baseline.get(name) else {
            println!("{name:<34} {per_packet:>12.1} {:>10} {:>8}", "-", "new");
            continue;
        };
        let change = per_packet / before - 1.0;
        println!(
            "{name:<34} {per_packet:>12.1} {before:>10.1} {:>+7.1}%",
            change * 100.0
        );
        if change > SLACK {
            worse.push(name.clone());
        }
    }
    let gone = baseline
        .keys()
        .filter(|&name| pieces.iter().all(|piece| piece.name != *name));
    worse.extend(gone.map(|name| format!("{name} (not measured any more)")));
    worse
}

fn compiler() -> Result<String> {
    let answer = Command::new("rustc")
        .arg("--version")
        .output()
        .context("rustc")?;
    Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}

/// Runs the stages under callgrind.
fn count(out: &Path) -> Result<Vec<Piece>> {
    if out.exists() {
        fs::remove_dir_all(out).with_context(|| format!("{}", out.display()))?;
    }
    fs::create_dir_all(out).with_context(|| format!("{}", out.display()))?;
    let file = out.join("callgrind");
    let answer = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-before=*stages*mark*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe().context("this program's own path")?)
        .arg("stages")
        .output()
        .context("valgrind (scripts/setup installs it)")?;
    if !answer.status.success() {
        bail!(
            "valgrind: {}",
            String::from_utf8_lossy(&answer.stderr).trim()
        );
    }
    let names = String::from_utf8(answer.stdout)?;
    let pieces: Vec<_> = (1..)
        .zip(names.lines())
        .map(|(number, line)| {
            // Each piece lies between two marks, and the dump at the second has it.
            let path = PathBuf::from(format!("{}.{}", file.display(), 2 * number));
            read_piece(line, &path)
        })
        .collect::<Result<_>>()?;
    ensure!(!pieces.is_empty(), "lb-bench stages named no work");
    Ok(pieces)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn read_piece(line: &str, path: &Path) -> Result<Piece> {
    let (packets, name) = line.split_once(' ').context("lb-bench stages: no name")?;
    let packets: u32 = packets.parse().context("lb-bench stages: no number")?;
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let total = total(&text).with_context(|| format!("{}: no totals", path.display()))?;
    let tenths = (total as f64 / f64::from(packets) * 10.0).round();
    Ok(Piece {
        name: name.to_owned(),
        per_packet: tenths / 10.0,
    })
}

/// The sum in a file of callgrind's.
fn total(text: &str) -> Option<u64> {
    let words = |line: &str| {
        let number = line
            .strip_prefix("totals:")
            .or_else(|| line.strip_prefix("summary:"))?;
        number.split_whitespace().next()?.parse().ok()
    };
    text.lines().find_map(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(name: &str, per_packet: f64) -> Piece {
        Piece {
            name: name.to_owned(),
            per_packet,
        }
    }

    #[test]
    fn five_per_cent_more_passes_and_six_do_not() {
        let baseline = BTreeMap::from([("a".to_owned(), 100.0), ("b".to_owned(), 100.0)]);
        let now = [piece("a", 104.9), piece("b", 106.0), piece("c", 1.0)];
        assert_eq!(compare(&now, &baseline), ["b"]);
    }

    #[test]
    fn a_figure_that_is_not_measured_any_more_is_a_failure() {
        let baseline = BTreeMap::from([("a".to_owned(), 100.0)]);
        assert_eq!(compare(&[], &baseline).len(), 1);
    }

    #[test]
    fn the_sum_of_a_callgrind_file_is_found() {
        let text = "version: 1\nevents: Ir\nsummary: 123456\n\nfn=(1)\n0 5\ntotals: 123456\n";
        assert_eq!(total(text), Some(123_456));
        assert_eq!(total("version: 1\n"), None);
    }
}
