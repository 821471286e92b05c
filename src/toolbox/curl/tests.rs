//! What arguments come to, and which are refused.

use proptest::prelude::*;

use super::*;

/// Files in memory.
struct Memory;

impl Files for Memory {
    fn file(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        match path.to_str() {
            Some("lines") => Ok(b"a=1\r\nb=2\n".to_vec()),
            Some("headers") => Ok(b"X-One: 1\r\n\nX-Two: 2\n".to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn stdin(&mut self) -> io::Result<Vec<u8>> {
        Ok(b"from\nstdin".to_vec())
    }
}

fn understood(line: &str) -> Result<Understood, Error> {
    let arguments: Vec<OsString> =
        line.split(' ').map(|word| OsString::from(word.replace('~', " "))).collect();
    understand(&arguments, &mut Memory)
}

/// Method, URL, Content-Type and body.
fn sent(line: &str) -> (String, String, String, String) {
    let Understood { request, .. } = understood(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let kind = request.headers().get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap());
    let body = String::from_utf8(request.body().to_vec()).unwrap();
    (request.method().to_string(), request.uri().to_string(), kind.to_owned(), body)
}

#[test]
fn method_body_and_type_are_those_that_curl_sends() {
    const FORM: &str = "application/x-www-form-urlencoded";
    for (line, method, url, kind, body) in [
        ("http://h/a?b=1#c", "GET", "http://h/a?b=1", "", ""),
        ("h", "GET", "http://h/", "", ""),
        ("http://a1.example.:8080/", "GET", "http://a1.example.:8080/", "", ""),
        ("-sSX PUT http://h/", "PUT", "http://h/", "", ""),
        ("-XDELETE --url http://h/", "DELETE", "http://h/", "", ""),
        ("-d a=1 --data b=2 http://h/", "POST", "http://h/", FORM, "a=1&b=2"),
        ("-sda=1 http://h/", "POST", "http://h/", FORM, "a=1"),
        ("-d @lines http://h/", "POST", "http://h/", FORM, "a=1b=2"),
        ("--data-binary @lines http://h/", "POST", "http://h/", FORM, "a=1\r\nb=2\n"),
        ("--data-raw @lines http://h/", "POST", "http://h/", FORM, "@lines"),
        ("--data-urlencode a=ü/+ http://h/", "POST", "http://h/", FORM, "a=%C3%BC%2F%2B"),
        ("--data-binary @- http://h/", "POST", "http://h/", FORM, "from\nstdin"),
        ("--json {\"a\": --json 1} http://h/", "POST", "http://h/", "application/json", "{\"a\":1}"),
        ("-H content-type:x/y -d a http://h/", "POST", "http://h/", "x/y", "a"),
        ("-H Content-Type: -d a http://h/", "POST", "http://h/", "", "a"),
        ("-G -d a=1 -d b http://h/x?y", "GET", "http://h/x?y&a=1&b", "", ""),
        ("-I http://h/", "HEAD", "http://h/", "", ""),
        ("-T lines http://h/x", "PUT", "http://h/x", "", "a=1\r\nb=2\n"),
        ("-T - http://h/x", "PUT", "http://h/x", "", "from\nstdin"),
        ("-g http://h/[x]", "GET", "http://h/[x]", "", ""),
        ("http://[::1]:8080/x", "GET", "http://[::1]:8080/x", "", ""),
        ("--path-as-is http://h/a/../b", "GET", "http://h/a/../b", "", ""),
        ("-o out -- http://h/", "GET", "http://h/", "", ""),
    ] {
        let expected = (method.to_owned(), url.to_owned(), kind.to_owned(), body.to_owned());
        assert_eq!(sent(line), expected, "{line}");
    }
}

#[test]
fn headers_are_those_that_are_given() {
    let request =
        understood("-H X-A:~1 -H x-a:2 -H X-Empty; -H Accept: -H @headers http://h/").unwrap().request;
    let headers = request.headers();
    assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    for (name, value) in [("x-empty", ""), ("x-one", "1"), ("x-two", "2")] {
        assert_eq!(headers[name], value);
    }
    assert!(!headers.contains_key(ACCEPT));
}

#[test]
fn the_url_can_be_taken_out_of_the_arguments_and_standard_input_given_again() {
    let found = understood("-s --url http://h/ --data-binary @- -o out").unwrap();
    assert_eq!(found.without_url, ["-s", "--data-binary", "@-", "-o", "out"]);
    assert_eq!(found.stdin.unwrap(), "from\nstdin");
    assert_eq!(understood("-s http://h/ -v").unwrap().without_url, ["-s", "-v"]);
    assert_eq!(understood("-sGd a=1 -vo out http://h/").unwrap().without_url, ["-s", "-v", "-o", "out"]);
    assert_eq!(understood("-sd a=1 http://h/").unwrap().without_url, ["-s", "-d", "a=1"]);
}

#[test]
fn nothing_is_read_while_an_option_is_not_known() {
    struct Unread;
    impl Files for Unread {
        fn file(&mut self, _: &Path) -> io::Result<Vec<u8>> {
            panic!("read");
        }
        fn stdin(&mut self) -> io::Result<Vec<u8>> {
            panic!("read");
        }
    }
    let arguments: Vec<OsString> = ["-d", "@-", "-T", "x", "http://h/", "-K", "y"].map(Into::into).to_vec();
    assert!(
        matches!(understand(&arguments, &mut Unread), Err(Error::Refused { option, .. }) if option == "-K")
    );
}

#[test]
fn what_has_curl_connect_elsewhere_is_told() {
    assert_eq!(understood("http://localhost/").unwrap().elsewhere, None);
    for (line, option) in [("-x p http://h/", "-x"), ("--resolve a:1:b http://h/", "--resolve")] {
        assert_eq!(understood(line).unwrap().elsewhere.as_deref(), Some(option));
    }
}

#[test]
fn what_curl_says_of_a_bodys_length_is_known() {
    for (line, length) in [
        ("http://h/", Length::Unsaid),
        ("-X POST http://h/", Length::Unsaid),
        ("-G -d a http://h/", Length::Unsaid),
        ("-d~ http://h/", Length::Sent),
        ("-T lines http://h/x", Length::Sent),
        ("-T - http://h/x", Length::Chunked),
    ] {
        assert_eq!(understood(line).unwrap().length, length, "{line}");
    }
}

#[test]
fn what_cannot_be_known_is_refused_by_its_name() {
    for (line, named) in [
        ("-K file http://h/", "-K"),
        ("--config file http://h/", "--config"),
        ("-sF a=b http://h/", "-F"),
        ("--next http://h/", "--next"),
        ("--aws-sigv4 x http://h/", "--aws-sigv4"),
        ("-u a:b http://h/", "-u"),
        ("-sSL http://h/", "-L"),
        ("--request=PUT http://h/", "--request=PUT"),
        ("--frobnicate http://h/", "--frobnicate"),
        ("--reque PUT http://h/", "--reque"),
        ("-? http://h/", "-?"),
        ("--url-query a=b http://h/", "--url-query"),
        ("-H Authorization:~x http://h/", "authorization"),
        ("-H X-Amz-Security-Token:x http://h/", "x-amz-security-token"),
        ("-H Host: http://h/", "host"),
        ("-H Host:a -H host:b http://h/", "host"),
        ("-H nonsense http://h/", "nonsense"),
        ("-X a(b http://h/", "a(b"),
        ("http://h/{a,b}", "{a,b}"),
        ("http://h/a/%2E%2e/b", "dot segments"),
        ("http://user@h/", "user name"),
        ("http://127.1/", "usual form"),
        ("http://0x7f000001/", "usual form"),
        ("http://2130706433:80/", "usual form"),
        ("http://127.0.0.01/", "usual form"),
        ("http://127.0.0.1:080/", "port"),
        ("http://h:/", "port"),
        ("http://h:99999/", "port"),
        ("http:/h/", "port"),
        ("http://[0:0:0:0:0:0:0:1]/", "usual form"),
        ("http://[2001:DB8::1]/", "usual form"),
        ("http://ü/", "ASCII"),
        ("ftp://h/", "http or https"),
        ("ftp.example.com", "another scheme"),
        ("-T lines http://h/x/", "appends"),
        ("-G -d a http://h/?", "differ"),
        ("-G --data-urlencode a=ü http://h/", "case of escapes"),
        ("-G -d a=%2F http://h/", "case of escapes"),
        ("-G -d a --path-as-is http://h/a/../b", "dot segments"),
        ("--data-urlencode a~b http://h/", "space"),
        ("http://h/ http://i/", "several"),
        ("-s", "URL"),
        ("-d a -T lines http://h/x", "only one"),
        ("-d a -I http://h/x", "only one"),
        ("-d @- -H @- http://h/x", "twice"),
        ("-d @gone http://h/", "gone"),
        ("http://h/ -d", "-d"),
    ] {
        let error = understood(line).expect_err(line).to_string();
        assert!(error.contains(named), "{line}: {error}");
    }
}

proptest! {
    #[test]
    fn no_arguments_make_it_panic(words in proptest::collection::vec(
        prop_oneof![
            "-{1,2}[a-zA-Z0-9#:-]{0,6}", "http://[!-~]{0,9}", "@?(lines|headers|-)", "[ -~]{0,6}",
            proptest::sample::select(vec!["-d", "-H", "-G", "-T", "-X", "-I", "--json", "--data-urlencode", "--"])
                .prop_map(str::to_owned),
        ], 0..7,
    )) {
        let arguments: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        let _ = understand(&arguments, &mut Memory);
    }
}
