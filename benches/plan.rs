//! Planning over a large zone, and reading a full page of record sets.

#![expect(clippy::expect_used, reason = "a benchmark that can't be set up can't be run")]

use std::fmt::Write as _;

use divan::Bencher;
use pin53::aws::route53::record_page;
use pin53::desired::Terms;
use pin53::dns::{Name, RecordSet, RecordType, Ttl};
use pin53::plan::{Current, diff};

fn main() {
    divan::main();
}

fn set(number: usize, value: &str) -> RecordSet {
    let name = Name::parse(&format!("host-{number}.example.com")).expect("a name");
    let ttl = Ttl::new(60).expect("a TTL");
    RecordSet::simple(name, RecordType::Cname, ttl, vec![value.to_owned()])
}

/// One wish for each of 10,000 record sets: a third as wanted, a third to change, a third to create.
#[divan::bench]
fn plan_over_10_000_record_sets(bencher: Bencher) {
    let there = |n: usize| match n % 3 {
        0 => Some(set(n, "wanted.example.net")),
        1 => Some(set(n, "other.example.net")),
        _ => None,
    };
    let current: Current = (0..10_000).filter_map(there).collect();
    let wishes: Vec<RecordSet> = (0..10_000).map(|n| set(n, "wanted.example.net")).collect();
    let terms = Terms::default();
    bencher.bench(|| {
        wishes.iter().map(|wish| diff(divan::black_box(wish), &terms, &current)).collect::<Vec<_>>()
    });
}

/// A page as ListResourceRecordSets gives it at its largest.
#[divan::bench]
fn read_a_300_record_page(bencher: Bencher) {
    let mut sets = String::new();
    for n in 0..300 {
        write!(
            sets,
            "<ResourceRecordSet><Name>host-{n}.example.com.</Name><Type>A</Type><TTL>300</TTL><ResourceRecords>\
             <ResourceRecord><Value>198.51.100.{}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>",
            n % 256
        )
        .expect("memory");
    }
    let page = format!(
        "<?xml version=\"1.0\"?>\n<ListResourceRecordSetsResponse \
         xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ResourceRecordSets>{sets}</ResourceRecordSets>\
         <IsTruncated>true</IsTruncated><NextRecordName>host-300.example.com.</NextRecordName>\
         <NextRecordType>A</NextRecordType><MaxItems>300</MaxItems></ListResourceRecordSetsResponse>"
    );
    bencher.bench(|| record_page(divan::black_box(page.as_bytes())).expect("a page"));
}
