//! The instance whose metadata is served: what it is, what can be changed about it, and the items
//! that its metadata consists of.
//!
//! Not here: tokens and answers (`imds`), and the role's credentials (`keys`).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// An EC2 instance. What is `None` is absent from its metadata (404).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub id: String,
    pub placement: Placement,
    pub public_hostname: Option<String>,
    pub public_ipv4: Option<Ipv4Addr>,
    pub local_hostname: Option<String>,
    pub local_ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    pub mac: String,
    /// `on-demand` or `spot`.
    pub life_cycle: String,
    /// `None` when the instance's tags aren't allowed in its metadata.
    pub tags: Option<BTreeMap<String, String>>,
    /// The name of its role; `None` without an instance profile.
    pub role: Option<String>,
    /// What EC2 is about to do to a spot instance (`terminate`, `stop`, `hibernate`), and when.
    pub spot_action: Option<(String, Timestamp)>,
    /// When a rebalance was recommended.
    pub rebalance: Option<Timestamp>,
    /// Where its Auto Scaling group is taking it: `InService`, `Terminated`, …
    pub lifecycle_state: Option<String>,
}

/// Where an instance runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    pub region: String,
    pub availability_zone: String,
}

impl Default for Instance {
    /// An instance in Ireland with a public address of the range for documentation, and a role.
    fn default() -> Self {
        let mut instance = Self {
            id: "i-0123456789abcdef0".to_owned(),
            placement: Placement {
                region: "eu-west-1".to_owned(),
                availability_zone: "eu-west-1a".to_owned(),
            },
            public_hostname: None,
            public_ipv4: None,
            local_hostname: Some("ip-10-0-0-53.eu-west-1.compute.internal".to_owned()),
            local_ipv4: Some(Ipv4Addr::new(10, 0, 0, 53)),
            ipv6: Some(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53)),
            mac: "06:00:00:00:00:53".to_owned(),
            life_cycle: "on-demand".to_owned(),
            tags: None,
            role: Some("pin53".to_owned()),
            spot_action: None,
            rebalance: None,
            lifecycle_state: None,
        };
        instance.move_to(Ipv4Addr::new(198, 51, 100, 7));
        instance
    }
}

impl Instance {
    /// Gives the instance another public address, and the public host name that goes with it.
    pub fn move_to(&mut self, address: Ipv4Addr) {
        let [a, b, c, d] = address.octets();
        let domain = match self.placement.region.as_str() {
            // The first region's names are older than the pattern.
            "us-east-1" => "compute-1.amazonaws.com".to_owned(),
            region if region.starts_with("cn-") => format!("{region}.compute.amazonaws.com.cn"),
            region => format!("{region}.compute.amazonaws.com"),
        };
        self.public_ipv4 = Some(address);
        self.public_hostname = Some(format!("ec2-{a}-{b}-{c}-{d}.{domain}"));
    }

    /// Takes the public address away, and the public host name with it.
    pub fn release_address(&mut self) {
        self.public_ipv4 = None;
        self.public_hostname = None;
    }

    /// Changes what `changes` names, as `PUT /sandbox/instance` does: null takes an item away, and
    /// nothing is changed when anything can't be.
    ///
    /// # Errors
    /// In words, when a key isn't known or a value isn't one.
    pub(super) fn change(&mut self, changes: &Map<String, Value>, now: Timestamp) -> Result<(), String> {
        let mut next = self.clone();
        for (key, value) in changes {
            let text = match value {
                Value::Null => None,
                Value::String(text) if !text.is_empty() => Some(text.clone()),
                Value::Object(map) if key == "tags" => {
                    next.tags = Some(
                        map.iter()
                            .map(|(k, v)| {
                                (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                            })
                            .collect(),
                    );
                    continue;
                }
                other => return Err(format!("expected a text or null for '{key}', found {other}")),
            };
            let needed = || text.clone().ok_or_else(|| format!("expected a text for '{key}', found null"));
            match key.as_str() {
                "public-hostname" => next.public_hostname = text,
                "public-ipv4" => next.public_ipv4 = address(key, text)?,
                "local-hostname" => next.local_hostname = text,
                "local-ipv4" => next.local_ipv4 = address(key, text)?,
                "ipv6" => next.ipv6 = address(key, text)?,
                "role" => next.role = text,
                "tags" if text.is_none() => next.tags = None,
                "spot-action" => {
                    let time = now.saturating_add(NOTICE).unwrap_or(now);
                    next.spot_action = text.map(|action| (action, time));
                }
                "rebalance-recommendation" => next.rebalance = text.map(|_| now),
                "target-lifecycle-state" => next.lifecycle_state = text,
                "instance-id" => next.id = needed()?,
                "instance-life-cycle" => next.life_cycle = needed()?,
                "mac" => next.mac = needed()?,
                "region" => next.placement.region = needed()?,
                "availability-zone" => next.placement.availability_zone = needed()?,
                _ => return Err(format!("'{key}' is nothing that can be changed; known are {KEYS}")),
            }
        }
        *self = next;
        Ok(())
    }

    /// The instance as `GET /sandbox/instance` shows it, with the keys that `PUT` takes.
    pub(super) fn shown(&self) -> Value {
        json!({
            "public-hostname": self.public_hostname,
            "public-ipv4": self.public_ipv4,
            "local-hostname": self.local_hostname,
            "local-ipv4": self.local_ipv4,
            "ipv6": self.ipv6,
            "role": self.role,
            "tags": self.tags,
            "spot-action": self.spot_action.as_ref().map(|(action, _)| action),
            "rebalance-recommendation": self.rebalance.map(|t| t.to_string()),
            "target-lifecycle-state": self.lifecycle_state,
            "instance-id": self.id,
            "instance-life-cycle": self.life_cycle,
            "mac": self.mac,
            "region": self.placement.region,
            "availability-zone": self.placement.availability_zone,
        })
    }

    /// Every item below `/latest/` but the role's credentials, by path.
    pub(super) fn items(&self) -> BTreeMap<String, String> {
        let mut items = BTreeMap::new();
        let mut put = |path: &str, value: Option<String>| {
            if let Some(value) = value {
                items.insert(path.to_owned(), value);
            }
        };
        let v4 = |address: Option<Ipv4Addr>| address.map(|a| a.to_string());
        let own = |text: &str| Some(text.to_owned());
        put("meta-data/ami-id", own("ami-0123456789abcdef0"));
        put("meta-data/instance-id", own(&self.id));
        put("meta-data/instance-type", own("t3.micro"));
        put("meta-data/instance-life-cycle", own(&self.life_cycle));
        put("meta-data/public-hostname", self.public_hostname.clone());
        put("meta-data/public-ipv4", v4(self.public_ipv4));
        put("meta-data/local-hostname", self.local_hostname.clone());
        put("meta-data/hostname", self.local_hostname.clone());
        put("meta-data/local-ipv4", v4(self.local_ipv4));
        put("meta-data/ipv6", self.ipv6.map(|a| a.to_string()));
        put("meta-data/mac", own(&self.mac));
        put("meta-data/placement/region", own(&self.placement.region));
        put("meta-data/placement/availability-zone", own(&self.placement.availability_zone));
        put("meta-data/services/domain", own("amazonaws.com"));
        put("meta-data/services/partition", own("aws"));

        let interface = format!("meta-data/network/interfaces/macs/{}", self.mac);
        let mut of_interface = |item: &str, value| put(&format!("{interface}/{item}"), value);
        of_interface("device-number", own("0"));
        of_interface("interface-id", own("eni-0123456789abcdef0"));
        of_interface("mac", own(&self.mac));
        of_interface("owner-id", own(ACCOUNT));
        of_interface("local-ipv4s", v4(self.local_ipv4));
        of_interface("local-hostname", self.local_hostname.clone());
        of_interface("public-ipv4s", v4(self.public_ipv4));
        of_interface("public-hostname", self.public_hostname.clone());
        of_interface("ipv6s", self.ipv6.map(|a| a.to_string()));
        if let (Some(public), Some(local)) = (self.public_ipv4, self.local_ipv4) {
            of_interface(&format!("ipv4-associations/{public}"), Some(local.to_string()));
        }
        of_interface("security-groups", own("default"));
        of_interface("security-group-ids", own("sg-0123456789abcdef0"));
        of_interface("subnet-id", own("subnet-0123456789abcdef0"));
        of_interface("subnet-ipv4-cidr-block", own("10.0.0.0/24"));
        of_interface("vpc-id", own(VPC));
        of_interface("vpc-ipv4-cidr-block", own("10.0.0.0/16"));
        of_interface("vpc-ipv4-cidr-blocks", own("10.0.0.0/16"));

        for (key, value) in self.tags.iter().flatten() {
            put(&format!("meta-data/tags/instance/{key}"), own(value));
        }
        if let Some((action, time)) = &self.spot_action {
            let time = seconds(*time);
            put(
                "meta-data/spot/instance-action",
                Some(json!({ "action": action, "time": time }).to_string()),
            );
            put("meta-data/spot/termination-time", Some(time).filter(|_| action == "terminate"));
        }
        put(
            "meta-data/events/recommendations/rebalance",
            self.rebalance.map(|time| json!({ "noticeTime": seconds(time) }).to_string()),
        );
        put("meta-data/autoscaling/target-lifecycle-state", self.lifecycle_state.clone());
        let document = json!({
            "accountId": ACCOUNT,
            "architecture": "x86_64",
            "availabilityZone": self.placement.availability_zone,
            "imageId": "ami-0123456789abcdef0",
            "instanceId": self.id,
            "instanceType": "t3.micro",
            "privateIp": self.local_ipv4,
            "region": self.placement.region,
            "version": "2017-09-30",
        });
        put("dynamic/instance-identity/document", Some(format!("{document:#}")));
        items
    }
}

/// The account that everything belongs to.
pub(super) const ACCOUNT: &str = "123456789012";
/// The network that the instance stands in.
pub(super) const VPC: &str = "vpc-0123456789abcdef0";

/// How long before its end a spot instance is told of it.
const NOTICE: SignedDuration = SignedDuration::from_mins(2);

const KEYS: &str = "public-hostname, public-ipv4, local-hostname, local-ipv4, ipv6, role, tags, spot-action, \
     rebalance-recommendation, target-lifecycle-state, instance-id, instance-life-cycle, mac, region, \
     availability-zone";

fn address<T: std::str::FromStr>(key: &str, text: Option<String>) -> Result<Option<T>, String> {
    text.map(|text| text.parse().map_err(|_| format!("expected an address for '{key}', found '{text}'")))
        .transpose()
}

/// A time as the metadata writes it, to the second.
pub(super) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_name_follows_the_address() {
        let mut instance = Instance::default();
        assert_eq!(
            instance.public_hostname.as_deref(),
            Some("ec2-198-51-100-7.eu-west-1.compute.amazonaws.com")
        );
        instance.placement.region = "us-east-1".to_owned();
        instance.move_to(Ipv4Addr::new(203, 0, 113, 9));
        assert_eq!(instance.public_hostname.as_deref(), Some("ec2-203-0-113-9.compute-1.amazonaws.com"));
    }

    #[test]
    fn a_change_with_a_fault_changes_nothing() {
        let mut instance = Instance::default();
        let now = Timestamp::UNIX_EPOCH;
        let mut change = |text: &str| {
            let Value::Object(map) = serde_json::from_str(text).unwrap() else { panic!("an object") };
            (instance.change(&map, now), instance.clone())
        };
        let (result, after) = change(r#"{"public-ipv4": null, "ipv7": "x"}"#);
        assert!(result.unwrap_err().starts_with("'ipv7' is nothing that can be changed"));
        assert_eq!(after, Instance::default());
        let (result, _) = change(r#"{"public-ipv4": "999.1.1.1"}"#);
        assert_eq!(result.unwrap_err(), "expected an address for 'public-ipv4', found '999.1.1.1'");
        let (result, after) = change(r#"{"public-ipv4": "203.0.113.9", "tags": {"Name": "vpn"}}"#);
        assert_eq!(result, Ok(()));
        assert_eq!(after.public_hostname, Instance::default().public_hostname, "only what is named changes");
        assert_eq!(after.items()["meta-data/tags/instance/Name"], "vpn");
    }

    #[test]
    fn what_is_shown_can_be_put_back() {
        let mut instance = Instance::default();
        let Value::Object(shown) = instance.shown() else { panic!("an object") };
        instance.release_address();
        instance.change(&shown, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(instance, Instance::default());
    }
}
