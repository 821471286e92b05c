//! Forms that come in parts, as browsers and `curl -F` send files.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc7578>

use super::body::as_text;

/// The fields of a form: their values, or of a file its name and how long it is. `None` for what is no such form.
pub(super) fn fields(content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty())?;
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line before it.
    let body = [b"\r\n", body].concat();
    let mut fields = Vec::new();
    let (_, mut rest) = cut(&body, delimiter.as_bytes())?;
    while !rest.starts_with(b"--") {
        let (part, after) = cut(rest, delimiter.as_bytes())?;
        let (head, content) = cut(part, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(head);
        let disposition = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-disposition").then_some(value)
        })?;
        let value = match (parameter(disposition, "filename"), as_text(content)) {
            (Some(file), _) => format!("file {file}, {} bytes", content.len()),
            (None, Some(text)) => text.to_owned(),
            (None, None) => format!("{} bytes", content.len()),
        };
        fields.push((parameter(disposition, "name")?, value));
        rest = after;
    }
    Some(fields)
}

/// What stands before and behind a text.
fn cut<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..start], &bytes[start + at.len()..]))
}

/// The value of a header's parameter, in quotes or not.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(';').unwrap_or(after.len())),
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value.trim().to_owned());
        }
        rest = after.split_once(';')?.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIND: &str = "multipart/form-data; boundary=------------------------d74496d66958873e";

    #[test]
    fn fields_and_files_are_told_apart() {
        // As curl 7.88 sends `-F a=1 -F 'b=x; y' -F file=@data`.
        let body = "--------------------------d74496d66958873e\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
            --------------------------d74496d66958873e\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nx; y\r\n\
            --------------------------d74496d66958873e\r\nContent-Disposition: form-data; name=\"file\"; filename=\"data\"\r\n\
            Content-Type: application/octet-stream\r\n\r\n\0\r\n--\r\n\
            --------------------------d74496d66958873e--\r\n";
        let found = fields(KIND, body.as_bytes()).unwrap();
        let found: Vec<_> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, [("a", "1"), ("b", "x; y"), ("file", "file data, 5 bytes")]);
        assert_eq!(fields("multipart/form-data; boundary=x", body.as_bytes()), None);
        assert_eq!(fields("text/plain", body.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn no_form_makes_it_panic(kind in "multipart/form-data;[ -~]{0,20}", body in "(--x|\r\n|--|[ -~]{0,9}){0,9}") {
            let _ = fields(&kind, body.as_bytes());
            let _ = fields("multipart/form-data; boundary=x", body.as_bytes());
        }
    }
}
