//! A page in Prometheus' text format while it is made.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a family without a sample must not stand on the page; the format has no way to write it.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType, Quantile,
    Summary,
};
use prometheus::{Encoder, TextEncoder};

use super::latency::Seen;

/// Labels of one sample.
pub(super) type Labels = Vec<LabelPair>;

/// Labels from names and values.
pub(super) fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    let label = |(name, value): (&str, &str)| {
        let mut label = LabelPair::default();
        label.set_name(name.to_owned());
        label.set_value(value.to_owned());
        label
    };
    pairs.into_iter().map(label).collect()
}

/// Families that have been added.
#[derive(Default)]
pub(super) struct Page(Vec<MetricFamily>);

impl Page {
    /// A counter's family; its name ends in `_total`.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        let exact = samples
            .into_iter()
            .map(|(labels, value)| (labels, value as f64));
        self.float_counter(name, help, exact);
    }

    /// A counter of something that is measured.
    pub(super) fn float_counter(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) {
        let metrics = samples.into_iter().map(|(labels, value)| {
            let mut counter = Counter::default();
            counter.set_value(value);
            let mut metric = Metric::from_label(labels);
            metric.set_counter(counter);
            metric
        });
        self.add(MetricType::COUNTER, name, help, metrics.collect());
    }

    /// A gauge's family.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) {
        let metrics = samples.into_iter().map(|(labels, value)| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            let mut metric = Metric::from_label(labels);
            metric.set_gauge(gauge);
            metric
        });
        self.add(MetricType::GAUGE, name, help, metrics.collect());
    }

    /// One gauge without labels.
    pub(super) fn value(&mut self, name: &str, help: &str, value: f64) {
        self.gauge(name, help, [(Vec::new(), value)]);
    }

    /// One counter without labels.
    pub(super) fn count(&mut self, name: &str, help: &str, count: u64) {
        self.counter(name, help, [(Vec::new(), count)]);
    }

    /// A histogram's family: per sample its sum, and upper bounds with counts that are not yet added up.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, u64, Vec<(f64, u64)>)>,
    ) {
        let metrics = samples.into_iter().map(|(labels, sum, buckets)| {
            let mut below = 0;
            let buckets = buckets.into_iter().map(|(bound, count)| {
                below += count;
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(bound);
                bucket.set_cumulative_count(below);
                bucket
            });
            let mut histogram = Histogram::default();
            histogram.set_bucket(buckets.collect());
            histogram.set_sample_count(below);
            histogram.set_sample_sum(sum as f64);
            let mut metric = Metric::from_label(labels);
            metric.set_histogram(histogram);
            metric
        });
        self.add(MetricType::HISTOGRAM, name, help, metrics.collect());
    }

    /// A summary without labels.
    pub(super) fn summary(&mut self, name: &str, help: &str, seen: &Seen) {
        let quantiles = seen.quantiles.iter().map(|&(part, seconds)| {
            let mut quantile = Quantile::default();
            quantile.set_quantile(part);
            quantile.set_value(seconds);
            quantile
        });
        let mut summary = Summary::default();
        summary.set_sample_count(seen.count);
        summary.set_sample_sum(seen.sum_seconds);
        summary.set_quantile(quantiles.collect());
        let mut metric = Metric::default();
        metric.set_summary(summary);
        self.add(MetricType::SUMMARY, name, help, vec![metric]);
    }

    fn add(&mut self, kind: MetricType, name: &str, help: &str, metrics: Vec<Metric>) {
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }

    /// The page as text.
    pub(super) fn text(&self) -> String {
        let mut octets = Vec::with_capacity(64 << 10);
        // Writing to memory cannot fail, and no family is empty.
        let _ = TextEncoder::new().encode(&self.0, &mut octets);
        String::from_utf8(octets).unwrap_or_default()
    }
}
