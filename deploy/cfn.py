"""Evaluates template.yaml as CloudFormation does, without an account: validates parameters, asserts rules, evaluates
conditions, resolves intrinsic functions. Used before a deployment and by the tests.
"""

import pathlib
import re

import yaml

PATH = pathlib.Path(__file__).with_name("template.yaml")

# Placeholders for the values of CloudFormation and the account, in their real formats.
ACCOUNT, REGION, PARTITION = "123456789012", "us-east-1", "aws"
ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{name}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "AWS::Events::Rule": "arn:aws:events:{region}:{account}:rule/{name}",
    # The trailing star covers the log streams.
    "AWS::Logs::LogGroup": "arn:aws:logs:{region}:{account}:log-group:{name}:*",
}


# States in which a stack can be neither created nor updated.
UNUSABLE_STATES = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
DELETE_ADVICE = "delete the stack by `aws cloudformation delete-stack --stack-name {}`"


class TemplateError(Exception):
    """An invalid parameter or option, or a violated rule; the message is one sentence for the user."""


class _Loader(yaml.SafeLoader):
    """A SafeLoader that turns CloudFormation's tags into their long form."""


def _tag(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else "Fn::" + suffix: value}


_Loader.add_multi_constructor("!", _tag)

NO_VALUE = object()


def read(text):
    # Safe: `_Loader` is a SafeLoader.
    return yaml.load(text, Loader=_Loader)


def validate_given(given, path=PATH):
    """Validates the parameters given for an existing stack, which keeps the others: only their names and values."""
    validate(read(path.read_text(encoding="utf-8"))["Parameters"], given)


def validate(known, given):
    """Raises a TemplateError for an unknown parameter or a value that its declaration doesn't allow."""
    for name, value in given.items():
        if name not in known:
            raise TemplateError(f"{name} is no parameter of the template; there are {', '.join(known)}")
        spec, value = known[name], str(value)
        error = _value_error(spec, value)
        if error:
            # A secret isn't shown.
            shown = "" if spec.get("NoEcho") else f" {value!r}"
            raise TemplateError(f"the parameter {name}{shown} is wrong: {error}. {spec.get('Description', '')}".strip())


class Template:
    """template.yaml with parameters, as a stack of a given name."""

    def __init__(self, given, stack="demo", path=PATH):
        self.text = path.read_text(encoding="utf-8")
        self.body = read(self.text)
        self.stack = stack
        self.values = self._parameters(given)
        self._assert_rules()

    def _parameters(self, given):
        known = self.body["Parameters"]
        validate(known, given)
        values = {}
        for name, spec in known.items():
            if name in given:
                values[name] = str(given[name])
            elif "Default" in spec:
                values[name] = str(spec["Default"])
            else:
                raise TemplateError(f"the parameter {name} is missing: {spec['Description']}")
        return values

    def _assert_rules(self):
        for rule in self.body["Rules"].values():
            if not self.resolve(rule.get("RuleCondition", True)):
                continue
            for assertion in rule["Assertions"]:
                if not self.resolve(assertion["Assert"]):
                    raise TemplateError(assertion["AssertDescription"])

    def resources(self):
        """The resources whose conditions hold, resolved."""
        return {
            name: self.resolve({key: value for key, value in resource.items() if key != "Condition"})
            for name, resource in self.body["Resources"].items()
            if self._condition_holds(resource.get("Condition"))
        }

    def outputs(self):
        outputs = self.body["Outputs"].items()
        return {
            name: self.resolve(spec["Value"]) for name, spec in outputs if self._condition_holds(spec.get("Condition"))
        }

    def _condition_holds(self, condition):
        return condition is None or self.resolve(self.body["Conditions"][condition])

    def resolve(self, value):
        """The value with its intrinsic functions replaced by their results."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name == "Condition" and isinstance(argument, str):
                return self._condition_holds(argument)
            if name.startswith("Fn::"):
                return self._function(name.removeprefix("Fn::"), argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def _function(self, name, argument):
        if name == "If":
            condition, then, otherwise = argument
            return self.resolve(then if self._condition_holds(condition) else otherwise)
        if name == "Sub":
            text, names = argument if isinstance(argument, list) else (argument, {})
            names = self.resolve(names)
            return re.sub(
                r"\$\{([^}!]+)\}", lambda found: str(names.get(found[1]) or self._resolve_name(found[1])), text
            )
        if name == "GetAtt":
            return self._attribute(*argument)
        argument = self.resolve(argument)
        match name:
            case "Equals":
                return str(argument[0]) == str(argument[1])
            case "Not":
                return not argument[0]
            case "And":
                return all(argument)
            case "Or":
                return any(argument)
            case "Join":
                return argument[0].join(argument[1])
        raise NotImplementedError(f"Fn::{name}")

    def _resolve_name(self, name):
        return self._attribute(*name.split(".", 1)) if "." in name else self._ref(name)

    def _ref(self, name):
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": NO_VALUE,
            "AWS::Partition": PARTITION,
            "AWS::Region": REGION,
            "AWS::StackName": self.stack,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.values:
            value = self.values[name]
            return value.split(",") if self.body["Parameters"][name]["Type"] == "CommaDelimitedList" else value
        if self.body["Resources"][name]["Type"] == "AWS::SecretsManager::Secret":
            return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf"
        if self.body["Resources"][name]["Type"] == "AWS::Lambda::Alias":
            return f"{self._attribute('Edge', 'Arn')}:live"
        return f"{self.stack}-{name.lower()}"

    def _attribute(self, name, attribute):
        if attribute == "Arn":
            arn = ARNS[self.body["Resources"][name]["Type"]]
            return arn.format(name=self._ref(name), region=REGION, account=ACCOUNT)
        return {
            "ApiEndpoint": f"https://{self._ref(name)}.execute-api.{REGION}.amazonaws.com",
            "DomainName": f"{self._ref(name)}.s3.amazonaws.com"
            if self.body["Resources"][name]["Type"] == "AWS::S3::Bucket"
            else "d111111abcdef8.cloudfront.net",
            "FunctionMetadata.FunctionARN": f"arn:aws:cloudfront::{ACCOUNT}:function/{self._ref(name)}",
            "QueueName": self._ref(name),
            "Version": "1",
            "RegionalDomainName": f"{self._ref(name)}.s3.{REGION}.amazonaws.com",
            "StreamArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{self._ref(name)}/stream/2026-01-01T00:00:00.000",
        }[attribute]


def _value_error(spec, value):
    """Why a parameter's declaration doesn't allow a value; None if it does."""
    if spec["Type"] == "Number":
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
            return "it must be a number"
        if not spec.get("MinValue", float(value)) <= float(value) <= spec.get("MaxValue", float(value)):
            return f"it must be from {spec.get('MinValue')} to {spec.get('MaxValue')}"
    if "AllowedValues" in spec and value not in map(str, spec["AllowedValues"]):
        return f"it must be one of {', '.join(map(str, spec['AllowedValues']))}"
    if len(value) > spec.get("MaxLength", len(value)):
        return f"it must have at most {spec['MaxLength']} characters"
    pattern = spec.get("AllowedPattern", "")
    # The pattern of a list applies to each of its items.
    for item in value.split(",") if spec["Type"] == "CommaDelimitedList" else [value]:
        if pattern and not re.fullmatch(pattern.removeprefix("^").removesuffix("$"), item):
            return f"it must match {pattern}"
    return None
