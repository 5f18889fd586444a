//! What librdkafka's errors mean to the pipeline.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaConfRes;

use crate::sink::SinkError;

/// Sorts an error code of a delivery report or a call.
pub fn sort(code: RDKafkaErrorCode, reason: impl Into<String>) -> SinkError {
    use RDKafkaErrorCode as Code;
    let reason = reason.into();
    let fatal = |hint| (true, hint);
    let retry = |hint| (false, hint);
    let (is_fatal, hint) = match code {
        Code::TopicAuthorizationFailed => {
            fatal("grant Write, Describe and Create on the topics to this principal")
        }
        Code::ClusterAuthorizationFailed => fatal("grant IdempotentWrite on the cluster to this principal"),
        Code::SaslAuthenticationFailed | Code::Authentication => {
            fatal("check sasl.mechanism, sasl.username and sasl.password in [sink.kafka.librdkafka]")
        }
        Code::SSL => fatal("check security.protocol and the ssl.* options in [sink.kafka.librdkafka]"),
        Code::UnsupportedVersion | Code::UnsupportedFeature => {
            fatal("the broker is too old; 2.1 or later is needed")
        }
        Code::PolicyViolation => fatal("a policy of the cluster refuses it; create the topic by hand"),
        Code::InvalidReplicationFactor => {
            fatal("lower replication_factor in [sink.kafka.topics], or add brokers to the cluster")
        }
        Code::InvalidTopic => {
            fatal("the name is not a legal topic name; change topic or prefix in [sink.kafka]")
        }
        Code::InvalidRecord => fatal("the topic refuses the record; does it take records without a key?"),
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => {
            fatal("raise max.message.bytes of the topic, or lower batch.size in [sink.kafka.librdkafka]")
        }
        Code::UnknownTopicOrPartition | Code::UnknownTopic => retry(
            "the topic is missing or was deleted; create it, or set create = true in [sink.kafka.topics]",
        ),
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => {
            retry("too few replicas are in sync; look at the brokers")
        }
        Code::KafkaStorageError => retry("the broker's log directory is offline; look at its disk"),
        _ => retry("is the broker reachable? see bootstrap.servers in [sink.kafka.librdkafka]"),
    };
    if is_fatal { SinkError::Fatal { reason, hint } } else { SinkError::Retry { reason, hint } }
}

/// Sorts the error of a call.
pub fn of_call(error: &KafkaError) -> SinkError {
    match error {
        KafkaError::ClientConfig(..) => {
            SinkError::Fatal { reason: reason(error), hint: "correct it in [sink.kafka.librdkafka]" }
        }
        KafkaError::ClientCreation(reason) => SinkError::Fatal {
            reason: reason.clone(),
            hint: "correct the options in [sink.kafka.librdkafka]",
        },
        KafkaError::Nul(_) => SinkError::Fatal {
            reason: "a topic name holds a NUL byte".to_owned(),
            hint: "change topic or prefix in [sink.kafka]",
        },
        other => match other.rdkafka_error_code() {
            Some(code) => sort(code, code.to_string()),
            None => SinkError::Retry { reason: other.to_string(), hint: "trying again" },
        },
    }
}

/// What is wrong, in one line. A value that may be a secret is left out; an unknown name may be that of a secret,
/// misspelt.
pub fn reason(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_INVALID, description, name, value)
            if !value.is_empty() && !is_secret(name) =>
        {
            format!("{name} = {value:?}: {description}")
        }
        KafkaError::ClientConfig(_, description, name, _) => format!("{name}: {description}"),
        other => other.to_string(),
    }
}

/// Whether the value of a librdkafka option must not be shown.
pub fn is_secret(name: &str) -> bool {
    ["password", "secret", "jaas", "oauthbearer.config", "key.pem"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode as Code;

    use super::{is_secret, sort};
    use crate::sink::SinkError;

    #[test]
    fn what_a_person_must_mend_is_fatal() {
        for code in
            [Code::TopicAuthorizationFailed, Code::SaslAuthenticationFailed, Code::InvalidReplicationFactor]
        {
            assert!(matches!(sort(code, String::new()), SinkError::Fatal { .. }), "{code:?}");
        }
    }

    #[test]
    fn what_passes_by_itself_is_retried() {
        for code in [
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::OperationTimedOut,
            Code::NotLeaderForPartition,
            Code::UnknownTopicOrPartition,
            Code::OutOfOrderSequenceNumber,
            Code::Unknown,
        ] {
            assert!(matches!(sort(code, String::new()), SinkError::Retry { .. }), "{code:?}");
        }
    }

    #[test]
    fn secrets_are_recognised() {
        for name in ["sasl.password", "ssl.key.password", "sasl.oauthbearer.client.secret", "ssl.key.pem"] {
            assert!(is_secret(name), "{name}");
        }
        assert!(!is_secret("linger.ms"));
    }
}
