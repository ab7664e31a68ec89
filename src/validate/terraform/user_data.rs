//! The size of the user data of an instance on AWS, which contains the template of the first boot,
//! compressed, and lines of files, in Base64.
//!
//! Invariant: the size is at most the real one, because values of variables are omitted.

use hcl_edit::expr::{Expression, FuncCall};
use hcl_edit::template::Element;
use hcl_edit::visit::{self, Visit};

use super::{Bodies, Module};
use crate::problem::Problem;
use crate::render::gzip_size;
use crate::values::USER_DATA_LIMIT;

/// Returns the problem of a module whose user data EC2 would reject.
pub(super) fn problem(files: &Module, bodies: &Bodies) -> Option<Problem> {
    let (path, template) = files
        .iter()
        .find(|(path, _)| path.ends_with("cloud-config.yaml.tftpl"))?;
    let mut blocks = bodies.values().flat_map(|body| body.blocks());
    let on_aws = |label: &str| label == "aws_launch_template";
    if !blocks.any(|block| {
        block
            .labels
            .first()
            .is_some_and(|label| on_aws(label.as_str()))
    }) {
        return None;
    }
    let mut lines = Lines(0);
    bodies.values().for_each(|body| lines.visit_body(body));
    let size = gzip_size(template) + lines.0;
    (size > USER_DATA_LIMIT).then(|| {
        let message = format!("user data of at most {USER_DATA_LIMIT} bytes is possible on EC2, and these files need more than {size}");
        Problem::new(*path, message).hint("shorten the files of the instance, or use `--format cloudformation`")
    })
}

/// The size of the lines in lists of files, `compact([…])`.
struct Lines(usize);

impl Visit for Lines {
    fn visit_func_call(&mut self, call: &FuncCall) {
        visit::visit_func_call(self, call);
        if call.name.name.as_str() != "compact" {
            return;
        }
        let lists = call.args.iter().filter_map(Expression::as_array);
        for line in lists.flat_map(|list| list.iter()) {
            let mut longest = Longest(0);
            longest.visit_expr(line);
            self.0 += longest.0 + 1;
        }
    }
}

/// The longest text in an expression, which may choose between several.
struct Longest(usize);

impl Visit for Longest {
    fn visit_expr(&mut self, expression: &Expression) {
        let length = match expression {
            Expression::String(text) => text.len(),
            Expression::StringTemplate(template) => template
                .iter()
                .map(|element| match element {
                    Element::Literal(text) => text.len(),
                    Element::Interpolation(_) | Element::Directive(_) => 0,
                })
                .sum(),
            _ => 0,
        };
        self.0 = self.0.max(length);
        visit::visit_expr(self, expression);
    }
}
