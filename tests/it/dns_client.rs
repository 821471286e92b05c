//! The DNS client and the sandbox's DNS server, which share no code, on each other.

use pin53::dns::{Name, RecordType};
use pin53::dns_client::{Code, Question, ask};
use pin53::sandbox::InProcess;
use pin53::transport::Datagrams;

use crate::house::{house, simple};

#[tokio::test(start_paused = true)]
async fn what_is_put_into_a_zone_comes_back_in_the_same_words() {
    let house = house();
    let datagrams = InProcess::new(house.world.clone());
    let zone = house.world.zone_of(&Name::parse("example.com").unwrap()).unwrap();
    let servers = house.world.records(&zone).into_iter().find(|set| set.rtype == RecordType::Ns).unwrap();
    let host = servers.as_simple().unwrap().1[0].trim_end_matches('.').to_owned();
    let address = (datagrams.addresses(&host).await.unwrap()[0], 53).into();
    let sets = [
        simple("a.example.com", RecordType::A, 30, &["198.51.100.7", "198.51.100.8"]),
        simple("a.example.com", RecordType::Aaaa, 60, &["2001:db8::7"]),
        simple("c.example.com", RecordType::Cname, 60, &["a.example.net."]),
        simple("*.w.example.com", RecordType::Cname, 60, &["a.example.net."]),
        simple("t.example.com", RecordType::Txt, 60, &[r#""say \"hi\" \\" "b c""#]),
        simple("m.example.com", RecordType::Mx, 60, &["10 mail.example.com."]),
        simple("s.example.com", RecordType::Srv, 60, &["1 2 443 a.example.com."]),
        // Too large for UDP.
        simple("l.example.com", RecordType::Txt, 60, &[&*format!("\"{}\"", "x".repeat(200)); 9]),
    ];
    for set in sets {
        house.put(set.clone());
        let question = Question { name: set.name.clone(), rtype: set.rtype, recursive: false };
        let answer = ask(&datagrams, address, &question).await.unwrap();
        assert!(answer.authoritative);
        let (ttl, values) = set.as_simple().unwrap();
        let found: Vec<_> = answer.of(&question).map(|row| row.value.clone()).collect();
        assert_eq!(found, values);
        assert!(answer.answers.iter().all(|row| row.ttl == ttl.seconds()));
    }
    let absent =
        Question { name: Name::parse("n.example.com").unwrap(), rtype: RecordType::A, recursive: false };
    let answer = ask(&datagrams, address, &absent).await.unwrap();
    assert_eq!((answer.code, answer.authority[0].rtype), (Code::NxDomain, RecordType::Soa));
    assert!(datagrams.addresses("ns.example.net").await.is_err());
}
