"""The network: public subnets for the daemons, private ones for the functions, isolated ones for the stores.

Functions leave over IPv6 through an egress-only gateway, which costs nothing (decision 0015); stores leave not at all.
All security groups are here with their rules inside, so no rule ties two stacks together.
"""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.constructs.log_group import log_group
from infra.constructs.stack import named
from infra.settings import Profile

POSTGRES, VALKEY, HTTPS = 5432, 6379, 443
ADDRESSES = "10.42.0.0/16"
"""Of the network. Written out where rules need it: an emulator's VPC has no attribute for it."""


class Network(Stack):
    """The VPC and all its security groups.

    Attributes:
        vpc: the network.
        private: subnets of the functions.
        isolated: subnets of the stores.
        functions: security group of the functions; nothing comes in.
        daemons: security group of the daemons; nothing comes in.
        stores: security group of PostgreSQL and Valkey; in from the two others, nothing goes out.
    """

    def __init__(self, scope: Construct, id: str, *, profile: Profile) -> None:  # noqa: A002 - CDK's name
        super().__init__(scope, id, **named(profile, id, "network and security groups"))
        self.private = ec2.SubnetSelection(subnet_group_name="functions")
        self.isolated = ec2.SubnetSelection(subnet_group_name="stores")
        self.vpc: ec2.IVpc = self._vpc(profile)
        everywhere = [_out(HTTPS, "S3 for the answers of deployments; there is no other route", v4="0.0.0.0/0")]
        if not profile.emulated:
            everywhere.append(_out(HTTPS, "AWS over IPv6", v6="::/0"))
        to_stores = [
            _out(POSTGRES, "PostgreSQL", v4=ADDRESSES),
            _out(VALKEY, "Valkey", v4=ADDRESSES),
        ]
        functions = self._group(
            "Functions", "Functions: no way in, out to stores and AWS", out=[*to_stores, *everywhere]
        )
        daemons = self._group("Daemons", "Daemons: no way in, out to stores and venues", out=[_anywhere()])
        self.functions = self._usable("FunctionsGroup", functions)
        self.daemons = self._usable("DaemonsGroup", daemons)
        within = [
            ec2.CfnSecurityGroup.IngressProperty(
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                source_security_group_id=source.attr_group_id,
                description=f"{store} from {who}",
            )
            for port, store in ((POSTGRES, "PostgreSQL"), (VALKEY, "Valkey"))
            for source, who in ((functions, "functions"), (daemons, "daemons"))
        ]
        stores = self._group(
            "Stores", "PostgreSQL and Valkey: in from functions and daemons", into=within, out=[_nowhere()]
        )
        self.stores = self._usable("StoresGroup", stores)

    def _vpc(self, profile: Profile) -> ec2.Vpc:
        dual = not profile.emulated
        private = ec2.SubnetType.PRIVATE_WITH_EGRESS if dual else ec2.SubnetType.PRIVATE_ISOLATED
        vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=profile.prefix,
            ip_addresses=ec2.IpAddresses.cidr(ADDRESSES),
            ip_protocol=ec2.IpProtocol.DUAL_STACK if dual else ec2.IpProtocol.IPV4_ONLY,
            availability_zones=list(profile.zones),
            nat_gateways=1 if profile.nat == "gateway" else 0,
            # It would need a function of CDK's own; nothing here is ever in the default group.
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public",
                    subnet_type=ec2.SubnetType.PUBLIC,
                    cidr_mask=24,
                    map_public_ip_on_launch=False,
                    ipv6_assign_address_on_creation=False if dual else None,
                ),
                ec2.SubnetConfiguration(name="functions", subnet_type=private, cidr_mask=20),
                ec2.SubnetConfiguration(name="stores", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24),
            ],
        )
        if not profile.emulated:
            self._let_deployments_be_answered(vpc)
        if profile.flow_logs:
            group = log_group(self, f"/{profile.prefix}/network", profile)
            vpc.add_flow_log("Flow", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group))
        return vpc

    def _let_deployments_be_answered(self, vpc: ec2.Vpc) -> None:
        """The migrate function answers CloudFormation by a file in S3; the way there is free and leads nowhere else.

        Source: CloudFormation user guide, "Setting up VPC endpoints for AWS CloudFormation".
        """
        endpoint = vpc.add_gateway_endpoint(
            "Storage", service=ec2.GatewayVpcEndpointAwsService.S3, subnets=[self.private]
        )
        bucket = f"arn:{self.partition}:s3:::cloudformation-custom-resource-response-{self.region.replace('-', '')}"
        endpoint.add_to_policy(
            iam.PolicyStatement(
                sid="AnswersOfCustomResources",
                principals=[iam.AnyPrincipal()],
                actions=["s3:PutObject"],
                resources=[f"{bucket}/*"],
            )
        )

    def _group(
        self,
        name: str,
        description: str,
        *,
        into: list[ec2.CfnSecurityGroup.IngressProperty] | None = None,
        out: list[ec2.CfnSecurityGroup.EgressProperty],
    ) -> ec2.CfnSecurityGroup:
        return ec2.CfnSecurityGroup(
            self,
            name,
            vpc_id=self.vpc.vpc_id,
            group_description=description,
            security_group_ingress=into or [],
            security_group_egress=out,
        )

    def _usable(self, name: str, group: ec2.CfnSecurityGroup) -> ec2.ISecurityGroup:
        return ec2.SecurityGroup.from_security_group_id(self, name, group.attr_group_id, mutable=False)


def _out(
    port: int, description: str, *, v4: str | None = None, v6: str | None = None
) -> ec2.CfnSecurityGroup.EgressProperty:
    return ec2.CfnSecurityGroup.EgressProperty(
        ip_protocol="tcp", from_port=port, to_port=port, cidr_ip=v4, cidr_ipv6=v6, description=description
    )


def _anywhere() -> ec2.CfnSecurityGroup.EgressProperty:
    return ec2.CfnSecurityGroup.EgressProperty(
        ip_protocol="-1", cidr_ip="0.0.0.0/0", description="Venues choose their own ports"
    )


def _nowhere() -> ec2.CfnSecurityGroup.EgressProperty:
    """A group without any egress rule gets one to everywhere from EC2; this one matches nothing."""
    return ec2.CfnSecurityGroup.EgressProperty(
        ip_protocol="icmp", from_port=252, to_port=86, cidr_ip="255.255.255.255/32", description="Nowhere"
    )
