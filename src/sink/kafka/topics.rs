//! Looking topics up, and making those that are missing.

use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};

use crate::sink::SinkError;
use crate::sink::kafka::options::KafkaOptions;
use crate::sink::kafka::outcome;
use crate::task::{self, DropElsewhere};

/// How long one request to the brokers may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two questions for a topic that is not known yet.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(50);
/// Topics named in one request: a cluster takes its time for each that it makes.
const TOPICS_PER_REQUEST: usize = 200;
/// Kafka's default for `message.max.bytes`, taken where a topic's own value may not be read.
const DEFAULT_MAX_MESSAGE_BYTES: usize = 1_048_588;

/// A topic that can be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedTopic {
    /// Its name.
    pub name: String,
    /// The largest batch it takes.
    pub max_message_bytes: usize,
}

/// Checks that each topic exists, creates those that do not, and reads their limits.
pub async fn prepare(options: &KafkaOptions, names: Vec<String>) -> Result<Vec<PreparedTopic>, SinkError> {
    run(options, move |admin, options, runtime| {
        let missing = missing(admin, options, &names)?;
        runtime.block_on(async {
            if !missing.is_empty() {
                create(admin, options, &missing).await?;
            }
            let mut prepared = Vec::with_capacity(names.len());
            for some in names.chunks(TOPICS_PER_REQUEST) {
                prepared.extend(limits(admin, some).await?);
            }
            Ok(prepared)
        })
    })
    .await
}

/// Creates one topic with exactly the settings given, where it does not exist.
pub async fn create_with(
    options: &KafkaOptions,
    name: String,
    partitions: i32,
    settings: &'static [(&'static str, &'static str)],
) -> Result<(), SinkError> {
    run(options, move |admin, options, runtime| {
        if missing(admin, options, std::slice::from_ref(&name))?.is_empty() {
            return Ok(());
        }
        runtime.block_on(async {
            let mut topic =
                NewTopic::new(&name, partitions, TopicReplication::Fixed(options.topics.replication_factor));
            for (key, value) in settings {
                topic = topic.set(key, value);
            }
            create_all(admin, &[topic]).await
        })
    })
    .await
}

/// Which of `names` do not exist.
pub async fn find_missing(options: &KafkaOptions, names: Vec<String>) -> Result<Vec<String>, SinkError> {
    run(options, move |admin, options, _| missing(admin, options, &names)).await
}

/// Runs `work` with an administration client on a thread of its own, and with a runtime for the client's futures.
async fn run<T: Send + 'static>(
    options: &KafkaOptions,
    work: impl FnOnce(&AdminClient<Quiet>, &KafkaOptions, &Runtime) -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SinkError> {
    let retry = |reason: String| SinkError::Retry { reason, hint: "trying again" };
    let options = options.clone();
    let call = move || {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| retry(format!("no runtime for the administration client: {error}")))?;
        let admin = AdminClient::from_config_and_context(&options.client(), Quiet)
            .map_err(|error| outcome::of_call(&error))?;
        // Its destructor waits for its thread, up to a tenth of a second.
        let admin = DropElsewhere::new("kafka-close", admin);
        work(&admin, &options, &runtime)
    };
    task::blocking("kafka-topics", call).await.map_err(|lost| retry(lost.to_string()))?
}

fn missing(
    admin: &AdminClient<Quiet>,
    options: &KafkaOptions,
    names: &[String],
) -> Result<Vec<String>, SinkError> {
    let metadata =
        admin.inner().fetch_metadata(None, REQUEST_TIMEOUT).map_err(|error| unreachable(options, &error))?;
    let exists = |name: &String| metadata.topics().iter().any(|topic| topic.name() == name);
    Ok(names.iter().filter(|name| !exists(name)).cloned().collect())
}

/// The first request of all: its failure is about the brokers, not about a topic.
fn unreachable(options: &KafkaOptions, error: &KafkaError) -> SinkError {
    match outcome::of_call(error) {
        SinkError::Retry { reason, .. } => SinkError::Retry {
            reason: format!("no broker of {:?} answers: {reason}", options.brokers()),
            hint: "check bootstrap.servers in [sink.kafka.librdkafka], the network and the broker",
        },
        fatal => fatal,
    }
}

async fn create(
    admin: &AdminClient<Quiet>,
    options: &KafkaOptions,
    missing: &[String],
) -> Result<(), SinkError> {
    let topics = &options.topics;
    if !topics.create {
        return Err(SinkError::Fatal {
            reason: format!("topics that do not exist: {}", missing.join(", ")),
            hint: "create them, or set create = true in [sink.kafka.topics]",
        });
    }
    let new_topic = |name| {
        let topic =
            NewTopic::new(name, topics.partitions, TopicReplication::Fixed(topics.replication_factor));
        topics.config.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
    };
    for some in missing.chunks(TOPICS_PER_REQUEST) {
        let wanted: Vec<NewTopic<'_>> = some.iter().map(|name| new_topic(name)).collect();
        create_all(admin, &wanted).await?;
    }
    Ok(())
}

async fn create_all(admin: &AdminClient<Quiet>, wanted: &[NewTopic<'_>]) -> Result<(), SinkError> {
    let results = admin.create_topics(wanted, &admin_options()).await.map_err(|e| outcome::of_call(&e))?;
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    for result in results {
        match result {
            Ok(name) => {
                tracing::info!(topic = name, "topic created");
                let made = wanted.iter().find(|wanted| wanted.name == name);
                wait_for_leaders(admin, &name, made.map_or(0, |made| made.num_partitions), deadline).await;
            }
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(outcome::sort(code, format!("cannot create topic {name}: {code}")));
            }
        }
    }
    Ok(())
}

/// Waits until the leaders of a new topic's partitions answer for them: the controller makes a topic before its
/// brokers know of it, and a producer's first batches are refused in between. Only a precaution: what keeps a leader
/// from answering at all will be told by those who write.
async fn wait_for_leaders(admin: &AdminClient<Quiet>, topic: &str, partitions: i32, deadline: Instant) {
    use RDKafkaErrorCode as Code;
    let mut partition = 0;
    while partition < partitions && Instant::now() < deadline {
        let answer = admin.inner().fetch_watermarks(topic, partition, REQUEST_TIMEOUT);
        match answer.map_err(|error| error.rdkafka_error_code()) {
            Ok(_) => partition += 1,
            Err(Some(
                Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition,
            )) => sleep(UNKNOWN_PAUSE).await,
            Err(_) => return,
        }
    }
}

/// Reads the limits. A broker can be asked for a topic that its controller has just made before it has heard of it.
async fn limits(admin: &AdminClient<Quiet>, names: &[String]) -> Result<Vec<PreparedTopic>, SinkError> {
    let specifiers: Vec<ResourceSpecifier<'_>> =
        names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    loop {
        let described = admin
            .describe_configs(&specifiers, &admin_options())
            .await
            .map_err(|error| outcome::of_call(&error))?;
        // Answers come in the order of the request.
        let mut answers = names.iter().zip(&described);
        let unknown = answers.find(|(_, answer)| {
            matches!(answer, Err(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic))
        });
        let Some((unknown, _)) = unknown else {
            let prepared = |(name, answer): (&String, &_)| PreparedTopic {
                name: name.clone(),
                max_message_bytes: limit_of(answer).unwrap_or(DEFAULT_MAX_MESSAGE_BYTES),
            };
            return Ok(names.iter().zip(&described).map(prepared).collect());
        };
        if Instant::now() >= deadline {
            let code = RDKafkaErrorCode::UnknownTopicOrPartition;
            return Err(outcome::sort(code, format!("topic {unknown}: {code}")));
        }
        sleep(UNKNOWN_PAUSE).await;
    }
}

/// A topic's limit; `None` where its settings may not be read.
fn limit_of(answer: &Result<ConfigResource, RDKafkaErrorCode>) -> Option<usize> {
    answer.as_ref().ok()?.get("max.message.bytes")?.value.as_ref()?.parse().ok()
}

fn admin_options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

/// A context that keeps librdkafka's lines out of the log: the call's own error says it.
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        super::producer::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl rdkafka::consumer::ConsumerContext for Quiet {}
