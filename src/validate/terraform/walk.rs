//! What a module declares, and what its expressions name.
//!
//! Invariant: an address is written as an expression names it: `var.x`, `local.x`, `data.type.name`,
//! `type.name`.

use hcl::expr::{Expression, ObjectKey, Operation, Traversal, TraversalOperator};
use hcl::structure::{Attribute, Block, Body};
use hcl::template::{Directive, Element, Template};

/// Something of a module that expressions may name.
pub(super) struct Declared {
    pub(super) address: String,
    pub(super) file: String,
    pub(super) body: Body,
}

/// A place that names an address, or calls `templatefile`.
pub(super) struct Reference {
    pub(super) address: String,
    pub(super) file: String,
    /// The address of the block it is in, and the attribute: `aws_lb.chroma.port`.
    pub(super) at: String,
}

/// A call of `templatefile`: which file, and which names it gives.
pub(super) struct TemplateCall {
    pub(super) at: String,
    pub(super) file: String,
    pub(super) names: Vec<String>,
}

/// What was found in the files that were walked.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) declared: Vec<Declared>,
    pub(super) references: Vec<Reference>,
    pub(super) templates: Vec<TemplateCall>,
    file: String,
    at: String,
    /// Names that only hold here: of `for`, and of `dynamic` blocks.
    bound: Vec<String>,
}

impl Walk {
    /// Walks one file, that of this name.
    pub(super) fn file(&mut self, name: &str, body: &Body) {
        self.file = name.to_owned();
        for block in body.blocks() {
            let labels: Vec<&str> = block.labels().iter().map(|label| label.as_str()).collect();
            let address = match (block.identifier(), labels.as_slice()) {
                ("variable", [name]) => format!("var.{name}"),
                ("resource", [kind, name]) => format!("{kind}.{name}"),
                ("data", [kind, name]) => format!("data.{kind}.{name}"),
                (other, labels) => [&[other], labels].concat().join("."),
            };
            if block.identifier() == "locals" {
                for local in block.body().attributes() {
                    let address = format!("local.{}", local.key());
                    self.declare(&address, Body::from(vec![local.clone()]));
                    self.at = address;
                    self.expression(local.expr());
                }
                continue;
            }
            self.declare(&address, block.body().clone());
            self.body(&address, block.body());
        }
    }

    fn declare(&mut self, address: &str, body: Body) {
        self.declared.push(Declared {
            address: address.to_owned(),
            file: self.file.clone(),
            body,
        });
    }

    fn body(&mut self, at: &str, body: &Body) {
        for attribute in body.attributes() {
            self.attribute(at, attribute);
        }
        for block in body.blocks() {
            self.block(&format!("{at}.{}", block.identifier()), block);
        }
    }

    fn attribute(&mut self, at: &str, attribute: &Attribute) {
        self.at = format!("{at}.{}", attribute.key());
        let is_type = at.starts_with("var.") && attribute.key() == "type";
        let is_provider = at.ends_with(".required_providers");
        let is_word =
            at.ends_with(".provisioner") && ["when", "on_failure"].contains(&attribute.key());
        if !is_type && !is_provider && !is_word {
            self.expression(attribute.expr());
        }
    }

    fn block(&mut self, at: &str, block: &Block) {
        let label = match block.identifier() {
            "dynamic" => block
                .labels()
                .first()
                .map(|label| label.as_str().to_owned()),
            _ => None,
        };
        let bound = self.bound.len();
        self.bound.extend(label);
        self.body(at, block.body());
        self.bound.truncate(bound);
    }

    fn all<'a>(&mut self, expressions: impl IntoIterator<Item = &'a Expression>) {
        for expression in expressions {
            self.expression(expression);
        }
    }

    fn expression(&mut self, expression: &Expression) {
        match expression {
            Expression::Array(list) => self.all(list),
            Expression::Object(object) => {
                for (key, value) in object {
                    if let ObjectKey::Expression(key) = key {
                        self.expression(key);
                    }
                    self.expression(value);
                }
            }
            Expression::TemplateExpr(template) => match Template::from_expr(template) {
                Ok(template) => self.template(&template),
                Err(_) => self.name("a template that cannot be read"),
            },
            Expression::Variable(name) => self.name(name.as_str()),
            Expression::Traversal(traversal) => self.traversal(traversal),
            Expression::FuncCall(call) => {
                if call.name.name.as_str() == "templatefile" {
                    self.template_call(&call.args);
                }
                self.all(&call.args);
            }
            Expression::Parenthesis(inner) => self.expression(inner),
            Expression::Conditional(choice) => {
                self.all([&choice.cond_expr, &choice.true_expr, &choice.false_expr]);
            }
            Expression::Operation(operation) => match operation.as_ref() {
                Operation::Unary(unary) => self.expression(&unary.expr),
                Operation::Binary(binary) => self.all([&binary.lhs_expr, &binary.rhs_expr]),
            },
            Expression::ForExpr(each) => {
                self.expression(&each.collection_expr);
                let bound = self.bound.len();
                let names = each.key_var.iter().chain([&each.value_var]);
                self.bound.extend(names.map(ToString::to_string));
                self.all(&each.key_expr);
                self.all([&each.value_expr]);
                self.all(&each.cond_expr);
                self.bound.truncate(bound);
            }
            _ => {}
        }
    }

    fn template(&mut self, template: &Template) {
        for element in template.elements() {
            match element {
                Element::Literal(_) => {}
                Element::Interpolation(part) => self.expression(&part.expr),
                // The modules have none: what is optional is an expression.
                Element::Directive(directive) => match directive.as_ref() {
                    Directive::If(_) => self.name("%{if}"),
                    Directive::For(_) => self.name("%{for}"),
                },
            }
        }
    }

    fn traversal(&mut self, traversal: &Traversal) {
        for operator in &traversal.operators {
            if let TraversalOperator::Index(index) = operator {
                self.expression(index);
            }
        }
        let Expression::Variable(root) = &traversal.expr else {
            return self.expression(&traversal.expr);
        };
        let steps: Vec<&str> = traversal
            .operators
            .iter()
            .map_while(|operator| match operator {
                TraversalOperator::GetAttr(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let address = match (root.as_str(), steps.as_slice()) {
            ("path" | "self" | "each" | "count" | "terraform", _) => return,
            ("data", [kind, name, ..]) => format!("data.{kind}.{name}"),
            (root, _) if self.bound.iter().any(|name| name == root) => return,
            (root, [name, ..]) => format!("{root}.{name}"),
            (root, []) => root.to_owned(),
        };
        self.name(&address);
    }

    fn name(&mut self, address: &str) {
        if !self.bound.iter().any(|name| name == address) {
            self.references.push(Reference {
                address: address.to_owned(),
                file: self.file.clone(),
                at: self.at.clone(),
            });
        }
    }

    fn template_call(&mut self, arguments: &[Expression]) {
        let [Expression::TemplateExpr(path), Expression::Object(values)] = arguments else {
            return self.name("templatefile of something else than a path and an object");
        };
        self.templates.push(TemplateCall {
            at: format!("{}: {}", self.file, self.at),
            file: path.to_string().replace("${path.module}/", ""),
            names: values.keys().map(ToString::to_string).collect(),
        });
    }
}
