//! What can be a pattern, and what it comes out as.

use super::*;

fn pattern(text: &str) -> Result<Pattern<Name>, String> {
    let plain = |text: &str| Name::parse(text).map_err(|error| error.to_string());
    Pattern::parse(text, plain).map_err(|error| error.to_string())
}

fn facts(facts: &[(&str, &str)]) -> Facts {
    let fact = |(word, value): &(&str, &str)| (Item::parse(word).unwrap(), Fact::Known((*value).to_owned()));
    facts.iter().map(fact).collect()
}

fn rendered(text: &str, value: &str) -> Result<String, Unrendered> {
    let all = ["instance_id", "region", "availability_zone", "hostname", "tags.Role"];
    let known = facts(&all.map(|word| (word, value)));
    pattern(text).unwrap().render(&known).map(|name| name.to_string())
}

#[test]
fn a_text_without_braces_is_what_it_is() {
    let plain = pattern("VPN.example.com.").unwrap();
    assert_eq!(plain, Name::parse("vpn.example.com").unwrap().into());
    assert_eq!(plain.items().count(), 0);
    assert!(plain.render(&Facts::default()).is_ok());
}

#[test]
fn words_are_filled_in_wherever_they_stand() {
    let known = facts(&[
        ("instance_id", "i-0abc"),
        ("region", "eu-west-1"),
        ("availability_zone", "eu-west-1a"),
        ("hostname", "ip-10-0-0-53.eu-west-1.compute.internal"),
        ("tags.Role", "VPN"),
    ]);
    for (text, expected) in [
        ("{{ instance_id }}.example.com", "i-0abc.example.com"),
        ("{{instance_id}}.example.com", "i-0abc.example.com"),
        ("*.{{ tags.Role }}-{{ region }}.example.com.", "*.vpn-eu-west-1.example.com"),
        ("{{ hostname }}.{{ availability_zone }}", "ip-10-0-0-53.eu-west-1a"),
    ] {
        assert_eq!(pattern(text).unwrap().render(&known).unwrap().as_str(), expected, "{text}");
    }
}

#[test]
fn a_pattern_tells_what_it_needs_and_shows_itself_as_written() {
    let both = pattern("{{tags.Role}}.{{ region }}.example.com").unwrap();
    let needed: Vec<String> = both.items().map(Item::path).collect();
    assert_eq!(needed, ["tags/instance/Role", "placement/region"]);
    assert_eq!(both.to_string(), "{{ tags.Role }}.{{ region }}.example.com");
}

#[test]
fn an_unknown_word_is_answered_with_the_nearest() {
    for (word, nearest) in [
        ("instance-id", "instance_id"),
        ("instanceid", "instance_id"),
        ("id", "instance_id"),
        ("Region", "region"),
        ("zone", "availability_zone"),
        ("host", "hostname"),
        ("tag.Name", "tags.Name"),
        ("tgas.Name", "tags.Name"),
        ("tags", "tags.KEY"),
    ] {
        let error = pattern(&format!("{{{{ {word} }}}}.example.com")).unwrap_err();
        assert!(error.ends_with(&format!("the nearest is '{nearest}'")), "{error}");
        assert!(error.contains(&format!("found '{word}'")), "{error}");
    }
}

#[test]
fn what_can_be_no_pattern_says_why() {
    for (text, why) in [
        ("{{ region.example.com", "expected '}}' behind every '{{'"),
        ("{{ }}.example.com", "found ''"),
        ("{{ tags. }}.example.com", "a tag's key"),
        ("{{ tags.a b }}.example.com", "a tag's key"),
        ("{{ tags.a/b }}.example.com", "a tag's key"),
        ("{{ tags._index }}.example.com", "a tag's key"),
        ("{{ region }}..example.com", "empty label"),
    ] {
        let error = pattern(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn what_can_not_be_a_label_makes_no_name() {
    for value in ["", "a.b", "web server", "*", "b\u{fc}cher", "-a", "a-", "a\\056b", "{{ region }}"] {
        let error = rendered("{{ tags.Role }}.example.com", value).unwrap_err();
        assert!(matches!(&error, Unrendered::Unfit(why) if why.contains("expected")), "{value}: {error:?}");
    }
    assert!(rendered("{{ tags.Role }}.example.com", &"a".repeat(63)).is_ok());
    assert!(matches!(rendered("{{ tags.Role }}.example.com", &"a".repeat(64)), Err(Unrendered::Unfit(_))));
    assert!(rendered("a{{ tags.Role }}a.example.com", "-").is_ok());
}

#[test]
fn what_is_not_known_is_told_apart_from_what_does_not_fit() {
    let role = pattern("{{ tags.Role }}.example.com").unwrap();
    let with = |fact| role.render(&Facts::from_iter([(Item::Tag("Role".into()), fact)]));
    let Err(Unrendered::Unknown(why)) = with(Fact::Absent) else { panic!("expected unknown") };
    assert!(why.contains("no tag 'Role'") && why.contains("--instance-metadata-tags enabled"), "{why}");
    assert_eq!(with(Fact::Unread("silent".into())), Err(Unrendered::Unknown("silent".into())));
    assert!(matches!(role.render(&Facts::default()), Err(Unrendered::Unknown(_))));
}

/// A free text, as a set identifier is one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Free(String);

impl Rendered for Free {
    fn admits(_: &str) -> Result<(), &'static str> {
        Ok(())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Err("expected a text, found none".to_owned())
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

#[test]
fn another_kind_of_text_has_other_rules() {
    let free = Pattern::parse("{{ tags.Role }}", Free::from_text).unwrap();
    assert_eq!(
        free.render(&facts(&[("tags.Role", "web server (old)")])),
        Ok(Free("web server (old)".into()))
    );
    assert!(matches!(free.render(&facts(&[("tags.Role", "")])), Err(Unrendered::Unfit(_))));
}
