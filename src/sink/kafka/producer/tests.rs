use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::{Delivery, KafkaSink};
use crate::record::Record;
use crate::sink::kafka::{KafkaOptions, TopicOptions};
use crate::sink::reports::{Reports, Ticket};
use crate::sink::{Sink, SinkError};
use crate::task::DropElsewhere;

/// A sink that sends every record in a batch of its own.
fn sink(bootstrap: String, reports: Reports) -> KafkaSink {
    let options = KafkaOptions {
        librdkafka: BTreeMap::from([
            ("bootstrap.servers".to_owned(), bootstrap),
            ("batch.num.messages".to_owned(), "1".to_owned()),
            ("linger.ms".to_owned(), "0".to_owned()),
        ]),
        max_records: 16,
        max_bytes: 1 << 20,
        topics: TopicOptions { create: false, partitions: 1, replication_factor: 1, config: BTreeMap::new() },
    };
    let producer = options.producer(None).create_with_context(Delivery::new(reports)).unwrap();
    KafkaSink {
        options,
        producer: DropElsewhere::new("kafka-close", producer),
        limits: HashMap::new(),
        smallest_limit: 1 << 20,
        batch_size: 1 << 20,
    }
}

/// Polls until something fails or all tickets are delivered; which are.
fn settle(sink: &mut KafkaSink, reports: &Reports) -> (Vec<usize>, Option<SinkError>) {
    let start = Instant::now();
    let mut delivered = Vec::new();
    loop {
        let error = sink.poll().err();
        delivered.extend((0..3).filter(|ticket| reports.take(Ticket(*ticket))));
        if error.is_some() || delivered.len() == 3 {
            delivered.sort_unstable();
            return (delivered, error);
        }
        assert!(start.elapsed() < Duration::from_secs(30), "delivered {delivered:?}");
    }
}

fn send_three(sink: &mut KafkaSink) {
    for ticket in 0..3 {
        let record = Record { topic: "t", key: Some(b"k"), value: Some(b"v"), headers: &[] };
        sink.produce(&record, Ticket(ticket)).unwrap();
    }
}

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    // Longer than it takes to send all three, so that all are on their way before the first answer.
    cluster.broker_round_trip_time(1, Duration::from_millis(300)).unwrap();
    cluster
}

#[test]
fn what_a_broker_acknowledges_is_delivered() {
    let cluster = cluster();
    let reports = Reports::new(16);
    let mut sink = sink(cluster.bootstrap_servers(), reports.clone());
    send_three(&mut sink);
    assert!(matches!(settle(&mut sink, &reports), (delivered, None) if delivered == [0, 1, 2]));
}

/// The first batch is refused, the next one, which was already on its way, is taken: what a broker does whose
/// partition becomes ready in between.
#[test]
fn what_only_a_later_record_vouches_for_is_not_delivered() {
    let cluster = cluster();
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION],
    );
    let reports = Reports::new(16);
    let mut sink = sink(cluster.bootstrap_servers(), reports.clone());
    send_three(&mut sink);
    let (delivered, error) = settle(&mut sink, &reports);
    assert!(!delivered.contains(&0), "{delivered:?}");
    assert!(matches!(error, Some(SinkError::Retry { .. })), "{error:?}");
}
